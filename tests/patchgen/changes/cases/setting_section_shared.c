// expect: refused loader-settings-changed
// flags 1: -Xlinker -section:.data,rws
// Variables become those of all processes.
#include "../case.h"

EXPORT int doubled(int value) {
    return value * 2;
}
