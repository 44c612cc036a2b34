// expect: no-change
// flags 1: -Wl,-version:7.9
// Versions only describe an image.
#include "../case.h"

EXPORT int doubled(int value) {
    return value * 2;
}
