#include "loader/cli/system.hpp"
#include "loader/cli/windows/text.hpp"

#include "loader/windows/handle.hpp"
#include "loader/windows/watchdog.hpp"

#include <fcntl.h>
#include <io.h>

#include <atomic>

namespace suture::cli {

namespace {

std::atomic<bool> noted = false;

/// Ctrl+C, Ctrl+Break, and what comes when the console or the session ends.
BOOL WINAPI note(DWORD) {
    noted = true;
    return TRUE;
}

BOOL WINAPI ignore(DWORD) {
    return TRUE;
}

} // namespace

int prepare_process(int argc, char** argv) {
    if (const auto code = loader::become_watchdog(argc, argv))
        return *code;
    ::_setmode(::_fileno(stdout), _O_BINARY);
    ::_setmode(::_fileno(stderr), _O_BINARY);
    ::SetConsoleOutputCP(CP_UTF8);
    return kNothingElse;
}

void ignore_interruptions() {
    ::SetConsoleCtrlHandler(ignore, TRUE);
}

// The handler that was added last is asked first.
Interruptible::Interruptible() {
    ::SetConsoleCtrlHandler(note, TRUE);
}

Interruptible::~Interruptible() {
    ::SetConsoleCtrlHandler(note, FALSE);
}

bool interrupted() {
    return noted;
}

std::FILE* create_file(const std::string& path) {
    return ::_wfopen(wide(path).c_str(), L"wbN"); // not inherited
}

} // namespace suture::cli
