// flags 1: -Wl,-nxcompat:no
#include "pair.h"

EXPORT int doubled(int value) {
    return value * 2;
}
