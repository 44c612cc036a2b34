// expect: refused loader-settings-changed
// flags 1: -Wl,-nxcompat:no
// targets: x64 arm64
#include "../case.h"

EXPORT int doubled(int value) {
    return value * 2;
}
