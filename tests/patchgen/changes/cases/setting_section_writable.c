// expect: refused loader-settings-changed
// flags 1: -Xlinker -section:.rdata,rw
// Constants become writable.
#include "../case.h"

EXPORT int doubled(int value) {
    return value * 2;
}
