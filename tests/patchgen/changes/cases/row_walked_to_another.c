// expect: package count second second_unit unit
// expect-mingw: package count second
// without: package count second
// targets: x64 arm64 mingw
// flags: -fno-unroll-loops
// A pointer goes from row to row. With a PDB the table has a size, and all who have an address in it have all of it.
#include "../case.h"

struct row {
    char name[8], unit[8];
};
static const struct row rows[4] = {{"lengths", "metresA"},
#if UPDATED
                                   {"seconds", "seconds"},
#else
                                   {"minutes", "seconds"},
#endif
                                   {"current", "amperes"},
                                   {"heights", "metresB"}};

EXPORT unsigned count(char first, unsigned limit) {
    unsigned found = 0;
    for (const struct row *row = rows; row != rows + 4 && found < limit; ++row)
        if (row->name[0] == first)
            found += (unsigned)row->unit[1];
    return found;
}

EXPORT const char *second(void) {
    return rows[1].name;
}

EXPORT const char *second_unit(void) {
    return rows[1].unit;
}

EXPORT const char *unit(void) {
    return rows[0].unit;
}
