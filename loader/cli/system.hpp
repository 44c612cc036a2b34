#pragma once

#include <cstdio>
#include <string>

/// What the command line needs of the system; there is a folder for each: linux/ and windows/.
namespace suture::cli {

/// What main() begins with: prepares standard output and error for UTF-8. Returns an exit code where this process was
/// started for something else than a command, and has done that.
int prepare_process(int argc, char** argv);
inline constexpr int kNothingElse = -1;

/// From now on what people end programs with (signals, Ctrl+C, closing the console) does not end this one.
void ignore_interruptions();

/// While there is one, they are noted, and afterwards ignored.
class Interruptible {
  public:
    Interruptible();
    ~Interruptible();
    Interruptible(const Interruptible&) = delete;
    Interruptible& operator=(const Interruptible&) = delete;
};
/// One was noted.
bool interrupted();

/// A file for a result: created or made empty, and not for a program that is started. Null and errno where it cannot be.
std::FILE* create_file(const std::string& path);

} // namespace suture::cli
