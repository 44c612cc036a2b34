// expect: no-change
// flags 1: -Wl,-stack:0x800000 -Wl,-heap:0x400000
// A thread gets the stack that the program asks for.
#include "../case.h"

EXPORT int doubled(int value) {
    return value * 2;
}
