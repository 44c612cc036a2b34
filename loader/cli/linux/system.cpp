#include "loader/cli/system.hpp"

#include <csignal>
#include <initializer_list>

namespace suture::cli {

namespace {

volatile std::sig_atomic_t noted = 0;

void note(int) {
    noted = 1;
}

void handle(std::initializer_list<int> signals, void (*handler)(int)) {
    for (const int signal : signals)
        std::signal(signal, handler);
}

} // namespace

int prepare_process(int, char**) {
    return kNothingElse;
}

void ignore_interruptions() {
    handle({SIGINT, SIGTERM, SIGHUP}, SIG_IGN);
}

Interruptible::Interruptible() {
    handle({SIGINT, SIGTERM}, note);
}

Interruptible::~Interruptible() {
    handle({SIGINT, SIGTERM}, SIG_IGN);
}

bool interrupted() {
    return noted != 0;
}

std::FILE* create_file(const std::string& path) {
    return std::fopen(path.c_str(), "wbe");
}

} // namespace suture::cli
