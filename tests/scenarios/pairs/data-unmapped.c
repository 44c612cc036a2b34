// options: --no-symbols
// Code of equal bytes, which disagrees on which variable is which.
#include "pair.h"

static int one = 5, other = 5;

EXPORT int first(void) {
    return ++one * 3;
}
EXPORT int second(void) {
#if UPDATED
    return ++other * 5;
#else
    return ++one * 5;
#endif
}
EXPORT int third(void) {
    return other += 7;
}
