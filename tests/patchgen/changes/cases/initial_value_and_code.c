// expect: refused data-initial-value-changed
#include "../case.h"

#if UPDATED
int limit = 20, other_limit = 7;
int sizes[3] = {1, 2, 3};
#else
int limit = 10, other_limit = 7;
int sizes[3] = {1, 2, 3};
#endif

EXPORT int within(int value) {
#if UPDATED
    return value > 0 && value < limit + other_limit++;
#else
    return value < limit + other_limit++;
#endif
}
EXPORT int raise(int by) {
    return limit += by + ++sizes[1];
}
