// expect: package hidden
// targets: x64 arm64 mingw
// A proof without symbols, that was told of no pairs, has to find its counterpart itself.
#include "../case.h"

static volatile int state;

EXPORT int seen(int value) {
    return value + state;
}

__attribute__((used)) static int hidden(int value) {
    state = value;
    return state * 3 + UPDATED;
}

EXPORT int seen_too(int value) {
    return value - state;
}
