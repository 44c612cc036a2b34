// expect: refused data-unmapped
#include "../case.h"

#if UPDATED
int limits[2] = {10, 20};
#else
const int limits[2] = {10, 20};
#endif

EXPORT const int *first_limit(void) {
    return limits;
}
EXPORT int raise(int *by) {
#if UPDATED
    return limits[1] += *by;
#else
    return limits[1] + *by;
#endif
}
