// expect: package guarded
// targets: x64 arm64
// flags: -fms-extensions -fasync-exceptions
// Only what runs at the end of a __try block changes, which is a function of its own.
#include "../case.h"

int __C_specific_handler(void *a, void *b, void *c, void *d) {
    return a == b && c == d;
}
volatile int state;
NOINLINE void poke(int value) {
    if (value)
        state += value;
}
EXPORT int guarded(int value) {
    __try {
        poke(value + 1);
        poke(9);
    } __finally {
#if UPDATED
        poke(state);
        poke(3);
#else
        poke(state);
#endif
    }
    return 3;
}
EXPORT int other(int value) {
    poke(value);
    return value;
}
