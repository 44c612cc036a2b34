// expect: refused exception-handler
// targets: x64
// flags: -fms-extensions -fasync-exceptions
// An image of /guard:ehcont: code of a package is not in its list of places where code may go on after an exception.
#include "../case.h"

const struct {
    unsigned size, before[35], guard_flags, behind[35];
} _load_config_used = {288, {0}, 0x400000, {0}};

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
        poke(value + 1 + UPDATED);
    } __except (1) {
        return 2;
    }
    return 3;
}
