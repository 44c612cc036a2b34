// expect: package from_table
#include "../case.h"

static const char *const names[3] = {"one", "two",
#if UPDATED
                                     "four"
#else
                                     "more"
#endif
};

EXPORT const char *from_table(unsigned index) {
    return names[index % 3];
}
EXPORT int other(int value) {
    return value * 3;
}
