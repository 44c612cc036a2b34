// Exceptions, longjmp() and walks of the stack begin in, pass through and end in functions that the update changes, on
// four threads all the time. Once more on the main thread, which writes a line to out.txt 20 times a second: of each
// of them whether the baseline's code was seen (0) or the update's (1), how much came back wrong of all so far, and
// whether unwind data is known for the place where new code was last seen.
#include "throws.h"

#include <windows.h>

#include <atomic>
#include <csetjmp>
#include <cstdio>

namespace {

struct Thrown {
    int value;
};

struct CountsItsEnd {
    int& ended;
    ~CountsItsEnd() { ended += 1 + NEW; }
};

constexpr int kOld = 0, kUpdated = 1, kWrong = -1;

int version_of(int got, int value) {
    return got == value ? kOld : got == value + 1000 ? kUpdated : kWrong;
}

std::atomic<DWORD64> seen_outside;

} // namespace

// What lies on either side of them is the same in the update. They keep something on their stacks, and in registers
// that their callers want back.
extern "C" {
KEPT_OUT_OF_LINE int thrower(int value) {
    if (value != 0)
        throw Thrown{value};
    return value;
}
KEPT_OUT_OF_LINE int cxx_through(int value) {
    volatile int kept[8] = {NEW, value};
    return thrower(value + kept[0]) + kept[1];
}
KEPT_OUT_OF_LINE int cxx_out(int value) {
    volatile int kept[8] = {NEW, value};
    throw Thrown{kept[0] + kept[1]};
}
KEPT_OUT_OF_LINE int cxx_in(int value) {
    volatile int kept[8] = {NEW, value};
    try {
        return thrower(value);
    } catch (const Thrown& thrown) {
        return thrown.value + kept[0];
    }
}
KEPT_OUT_OF_LINE int cxx_again(int value) {
    volatile int kept[8] = {NEW, value};
    try {
        return thrower(value);
    } catch (Thrown& thrown) {
        thrown.value += kept[0];
        throw;
    }
}
KEPT_OUT_OF_LINE int cxx_cleanup(int value, int& ended) {
    const CountsItsEnd counts{ended};
    return thrower(value) + ended;
}

KEPT_OUT_OF_LINE void jumper(jmp_buf to, int value) {
    longjmp(to, value);
}
KEPT_OUT_OF_LINE int jump_through(jmp_buf to, int value) {
    volatile int kept[8] = {NEW, value};
    jumper(to, value + kept[0]);
    return kept[1];
}
KEPT_OUT_OF_LINE int jump_out(jmp_buf to, int value) {
    volatile int kept[8] = {NEW, value};
    longjmp(to, kept[0] + kept[1]);
}
KEPT_OUT_OF_LINE int jump_in(int value) {
    volatile int kept[8] = {NEW, value};
    jmp_buf here;
    const int got = setjmp(here);
    if (got == 0)
        jumper(here, value);
    return got + kept[0];
}

KEPT_OUT_OF_LINE int seh_through(int value) {
    volatile int kept[8] = {NEW, value};
    raise_value(value + kept[0]);
    return kept[1];
}
KEPT_OUT_OF_LINE int seh_out(int value) {
    volatile int kept[8] = {NEW, value};
    // Where no system has memory. Hidden, so that no compiler knows better.
    volatile char* address = nullptr;
    __asm__("" : "+r"(address));
    return address[kept[0] + kept[1]];
}

KEPT_OUT_OF_LINE int walker(void** frames, int count) {
    return RtlCaptureStackBackTrace(0, static_cast<ULONG>(count), frames, nullptr);
}
KEPT_OUT_OF_LINE int walk_through(void** frames, int count) {
    volatile int kept[8] = {NEW, count};
    return walker(frames, count) + kept[0];
}
}

namespace {

// Each does one thing, and tells whose code it saw.
template <class Function>
int caught(Function function, int value) {
    try {
        function(value);
    } catch (const Thrown& thrown) {
        return version_of(thrown.value, value);
    }
    return kWrong;
}
int try_cxx_through(int value) {
    return caught(cxx_through, value);
}
int try_cxx_out(int value) {
    return caught(cxx_out, value);
}
int try_cxx_in(int value) {
    return version_of(cxx_in(value), value);
}
int try_cxx_again(int value) {
    return caught(cxx_again, value);
}
int try_cxx_cleanup(int value) {
    int ended = 0;
    const int version = caught([&](int of) { cxx_cleanup(of, ended); }, value);
    return version == kOld ? version_of(ended, 1) : kWrong; // what is thrown is the same
}
KEPT_OUT_OF_LINE int try_jump_through(int value) {
    jmp_buf here;
    const int got = setjmp(here);
    if (got == 0)
        jump_through(here, value);
    return version_of(got, value);
}
KEPT_OUT_OF_LINE int try_jump_out(int value) {
    jmp_buf here;
    const int got = setjmp(here);
    if (got == 0)
        jump_out(here, value);
    return version_of(got, value);
}
int try_jump_in(int value) {
    return version_of(jump_in(value), value);
}
int try_seh_through(int value) {
    return version_of(catch_raised(seh_through, value), value);
}
int try_seh_out(int value) {
    return version_of(catch_fault(seh_out, value), value);
}
#ifdef WITH_SEH
int try_seh_in(int value) {
    return version_of(seh_in(value), value);
}
int try_seh_finally(int value) {
    finally_ran = 0;
    return catch_raised(seh_finally, value) == value ? version_of(finally_ran, value) : kWrong;
}
#endif

DWORD64 begin_of(const void* at) {
    DWORD64 base = 0;
    const auto* entry = RtlLookupFunctionEntry(reinterpret_cast<DWORD64>(at), &base, nullptr);
    return entry ? base + entry->BeginAddress : 0;
}

// The frames of walker(), walk_through(), this function and its caller, by where their functions begin.
KEPT_OUT_OF_LINE int try_walk(int) {
    constexpr int kFrames = 16;
    void* frames[kFrames];
    const int got = walk_through(frames, kFrames);
    const int count = got % 1000;
    for (int i = 0; i + 3 < count; ++i)
        if (begin_of(frames[i]) == reinterpret_cast<DWORD64>(&walker)) {
            const DWORD64 between = begin_of(frames[i + 1]);
            if (got >= 1000)
                seen_outside = reinterpret_cast<DWORD64>(frames[i + 1]);
            const bool right = begin_of(frames[i + 2]) == reinterpret_cast<DWORD64>(&try_walk) &&
                               begin_of(frames[i + 3]) != 0 && between != 0 &&
                               (between == reinterpret_cast<DWORD64>(&walk_through)) == (got < 1000);
            return !right ? kWrong : got >= 1000 ? kUpdated : kOld;
        }
    return kWrong;
}

struct Cell {
    const char* name;
    int (*tried)(int);
};
constexpr Cell kCells[] = {
    {"cxx-in", try_cxx_in},           {"cxx-again", try_cxx_again},
    {"cxx-cleanup", try_cxx_cleanup},
#ifdef WITH_SEH
    {"seh-in", try_seh_in},           {"seh-finally", try_seh_finally},
#endif
    {"cxx-through", try_cxx_through}, {"cxx-out", try_cxx_out},
    {"seh-through", try_seh_through}, {"seh-out", try_seh_out},
    {"jump-in", try_jump_in},         {"jump-through", try_jump_through},
    {"jump-out", try_jump_out},       {"walk", try_walk},
};

std::atomic<long> rounds, wrong;

DWORD WINAPI work(void*) {
    for (int value = 1;; value = value % 500 + 1) {
        for (const Cell& cell : kCells)
            wrong += cell.tried(value) == kWrong;
        ++rounds;
        Sleep(2);
    }
}

} // namespace

int main() {
    HANDLE lines =
        CreateFileA("out.txt", FILE_APPEND_DATA, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, CREATE_ALWAYS, 0, NULL);
    // What a system loads once the first thread ends is there from the beginning.
    WaitForSingleObject(CreateThread(
                            nullptr, 0, [](void*) -> DWORD { return 0; }, nullptr, 0, nullptr),
                        INFINITE);
    for (int i = 0; i < 4; ++i)
        CreateThread(nullptr, 0, work, nullptr, 0, nullptr);
    for (int value = 1;; value = value % 500 + 1) {
        char line[512];
        int size = 0;
        for (const Cell& cell : kCells) {
            const int version = cell.tried(value);
            wrong += version == kWrong;
            size += std::snprintf(line + size, sizeof line - size, "%s=%d ", cell.name, version);
        }
        const DWORD64 outside = seen_outside;
        const bool known = outside && begin_of(reinterpret_cast<void*>(outside)) != 0;
        size += std::snprintf(line + size, sizeof line - size, "known=%d wrong=%ld rounds=%ld\n", known, wrong.load(),
                              rounds.load());
        DWORD done;
        WriteFile(lines, line, static_cast<DWORD>(size), &done, nullptr);
        Sleep(50);
    }
}
