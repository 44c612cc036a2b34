// expect: package guarded
// reports: guarded
// targets: x64 arm64
// flags: -fms-extensions -fasync-exceptions
#include "../case.h"

int __C_specific_handler(void *a, void *b, void *c, void *d) {
    return a == b && c == d;
}
volatile int state;
NOINLINE int filter(unsigned code) {
    return code == 5;
}
NOINLINE void poke(int value) {
    if (value)
        state += value;
}
EXPORT int guarded(int value) {
#if UPDATED
    poke(value);
#endif
    __try {
#if !UPDATED
        poke(value);
#endif
        poke(value + 1);
        poke(9);
    } __except (filter(3)) {
        return 7;
    }
    return 3;
}
EXPORT int other(int value) {
    poke(value);
    return value;
}
