#include "loader/windows/watchdog.hpp"
#include "tests/loader/windows/other_process.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>
#include <thread>
#include <vector>

namespace suture::test {

namespace {

constexpr std::string_view kAsOther = "--counts";
constexpr unsigned kMaxThreads = 64;
constexpr std::size_t kSize = kMaxThreads * sizeof(std::uint64_t);

volatile std::uint64_t* view_of(HANDLE section) {
    return static_cast<volatile std::uint64_t*>(::MapViewOfFile(section, FILE_MAP_ALL_ACCESS, 0, 0, kSize));
}

void count(volatile std::uint64_t* counts, unsigned index) {
    for (;;) {
        counts[index] = counts[index] + 1;
        ::Sleep(1);
    }
}

} // namespace

OtherProcess::OtherProcess(unsigned threads) : threads_(threads) {
    SECURITY_ATTRIBUTES inherited{sizeof inherited, nullptr, TRUE};
    section_ = loader::Handle(
        ::CreateFileMappingW(INVALID_HANDLE_VALUE, &inherited, PAGE_READWRITE, 0, static_cast<DWORD>(kSize), nullptr));
    counts_ = view_of(section_.get());
    std::array<char, 32768> program{};
    ::GetModuleFileNameA(nullptr, program.data(), static_cast<DWORD>(program.size()));
    std::string words = fmt::format("\"{}\" {} {} {}", program.data(), kAsOther,
                                    reinterpret_cast<std::uint64_t>(section_.get()), threads);
    STARTUPINFOA startup{};
    startup.cb = sizeof startup;
    PROCESS_INFORMATION started{};
    if (!::CreateProcessA(nullptr, words.data(), nullptr, nullptr, TRUE, 0, nullptr, nullptr, &startup, &started))
        return;
    process_ = loader::Handle(started.hProcess);
    const loader::Handle thread(started.hThread);
    pid_ = started.dwProcessId;
    while (slowest() == 0 && ::WaitForSingleObject(process_.get(), 5) == WAIT_TIMEOUT) {
    }
}

std::uint64_t OtherProcess::slowest() const {
    return *std::min_element(counts_, counts_ + threads_ + 1);
}

bool OtherProcess::runs() const {
    constexpr int kTries = 1000;
    std::vector<std::uint64_t> before(counts_, counts_ + threads_ + 1);
    for (int i = 0; i < kTries; ++i) {
        ::Sleep(5);
        bool all = true;
        for (unsigned at = 0; at <= threads_; ++at)
            all = all && counts_[at] > before[at] + 1;
        if (all)
            return true;
    }
    return false;
}

void OtherProcess::end() {
    ::TerminateProcess(process_.get(), 1);
    ::WaitForSingleObject(process_.get(), INFINITE);
}

bool become_other_process(int argc, char** argv) {
    if (argc != 4 || argv[1] != kAsOther)
        return false;
    auto* const counts = view_of(reinterpret_cast<HANDLE>(std::strtoull(argv[2], nullptr, 10)));
    const auto threads = std::min<unsigned long>(std::strtoul(argv[3], nullptr, 10), kMaxThreads - 1);
    for (unsigned i = 1; i <= threads; ++i)
        std::thread(count, counts, i).detach();
    count(counts, 0);
    return true;
}

} // namespace suture::test

int main(int argc, char** argv) {
    if (const auto code = suture::loader::become_watchdog(argc, argv))
        return *code;
    if (suture::test::become_other_process(argc, argv))
        return 0;
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
