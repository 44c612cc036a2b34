// expect: refused static-init-changed
// without: refused static-init-changed
// targets: x64 arm64 mingw
// flags: -fno-use-cxa-atexit
// An initialiser that would have to run, in a list that nothing names without symbols.
#include "../case.h"

EXPORT int counted_from(int);
static volatile int factor = 3;

struct counter {
    int next;
    counter(int begin) : next(counted_from(begin)) {}
};
static counter counts(7);
#if UPDATED
static counter others(8);
#endif

EXPORT int next_count() {
#if UPDATED
    return counts.next++ + others.next++;
#else
    return counts.next++;
#endif
}

EXPORT int counted_from(int begin) {
    return begin * factor;
}

#ifdef _MSC_VER
typedef void (*initialiser)();
#pragma section(".CRT$XCA", read)
#pragma section(".CRT$XCZ", read)
#pragma comment(linker, "/merge:.CRT=.rdata")
extern "C" {
__declspec(allocate(".CRT$XCA")) initialiser __xc_a[] = {nullptr};
__declspec(allocate(".CRT$XCZ")) initialiser __xc_z[] = {nullptr};
}

NOINLINE static void run(initialiser *first, initialiser *last) {
    for (; first != last; ++first)
        if (*first)
            (*first)();
}

EXPORT void start() {
    run(__xc_a, __xc_z);
}
#endif
