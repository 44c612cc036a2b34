// expect: package third
#include "../case.h"

static int numbers[8];

EXPORT int third(void) {
#if UPDATED
    return numbers[3];
#else
    return numbers[2];
#endif
}
EXPORT int *all(void) {
    return numbers;
}
