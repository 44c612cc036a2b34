// expect: refused export-changed
// flags 0: -Wl,-export:pause=kernel32.Sleep
// flags 1: -Wl,-export:pause=kernel32.Beep
#include "../case.h"

EXPORT int other(int value) {
    return value * 3;
}
