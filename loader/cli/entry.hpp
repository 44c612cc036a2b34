#pragma once

namespace suture::cli {

/// What the program does, given its words in UTF-8; main() is the system's. Returns the exit code.
int enter(int argc, char** argv);

} // namespace suture::cli
