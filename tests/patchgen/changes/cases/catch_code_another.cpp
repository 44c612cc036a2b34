// expect: package catches
// expect-mingw: package catches
// without: refused exception-handler
// targets: x64 mingw arm64
// flags: -fexceptions -fcxx-exceptions -frtti
// flags-mingw: -fexceptions -frtti -nostdlib -Wl,-e,entry
// What changes is only run when an exception is caught, in a function of its own where Microsoft's handlers are used.
#include "../case.h"
#ifdef __MINGW32__
#include "gcc_exceptions.h"
#else
#include "microsoft_exceptions.h"
#endif

struct First {
    int value;
};
struct Guard {
    int *place;
    ~Guard() { *place += 1; }
};
volatile int state;
NOINLINE int risky(int value) {
    if (value > 5)
        throw First{value};
    return value + 1;
}
EXPORT int catches(int value, int *place) {
    Guard guard{place};
    try {
        return risky(value);
    } catch (First &one) {
#if UPDATED
        state = one.value * 3;
#else
        state = one.value;
#endif
        return one.value;
    } catch (...) {
        return -1;
    }
}
EXPORT int other(int value) {
    return risky(value) * 2 + state;
}
