// expect: refused loader-settings-changed
// flags 1: -Wl,-highentropyva:no
// Addresses above 4 GiB are no longer asked for.
#include "../case.h"

EXPORT int doubled(int value) {
    return value * 2;
}
