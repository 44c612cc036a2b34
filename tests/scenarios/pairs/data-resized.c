#include "pair.h"

int table[UPDATED ? 9 : 5];

EXPORT void put(int at, int value) {
    table[at] = value + UPDATED;
}
EXPORT int get(int at) {
    return table[at];
}
