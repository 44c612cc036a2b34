// expect: package chosen
// without: package chosen
// targets: x64 arm64 mingw
// flags: -O0
// The number of the case comes from the stack, and is multiplied before the table is known.
#include "../case.h"

static volatile int state;

EXPORT int chosen(unsigned which) {
    switch (which) {
    case 0:
        state = 1;
        return 4;
    case 1:
        state = 8;
        return state;
    case 2:
        state = UPDATED ? 6 : 7;
        return state + 1;
    case 3:
        state *= 3;
        return 2;
    case 4:
        state -= 9;
        return state;
    case 5:
        state |= 8;
        return 3;
    default:
        return state;
    }
}

EXPORT int other(unsigned which) {
    switch (which) {
    case 0:
        return 11 + state;
    case 1:
        return 12 - state;
    case 2:
        return 13 * state;
    case 3:
        return 14 ^ state;
    case 4:
        return 15 | state;
    default:
        return 0;
    }
}
