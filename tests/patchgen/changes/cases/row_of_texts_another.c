// expect: package row_of second third fourth
// expect-mingw: package row_of third
// without: package row_of third
// targets: x64 arm64 mingw
// Rows that other functions lead to directly are texts each by itself; who counts to them gets to all.
#include "../case.h"

static const char rows[4][6] = {"alpha", "betaa",
#if UPDATED
                                "zetaa",
#else
                                "gamma",
#endif
                                "delta"};

EXPORT const char *row_of(unsigned index) {
    return rows[index & 3];
}

EXPORT const char *second(void) {
    return rows[1];
}

EXPORT const char *third(void) {
    return rows[2];
}

EXPORT const char *fourth(void) {
    return rows[3];
}
