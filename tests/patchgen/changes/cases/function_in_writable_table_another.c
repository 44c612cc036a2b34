// expect: refused data-initial-value-changed
#include "../case.h"

static NOINLINE int one(int value) {
    return value * 3;
}
static NOINLINE int two(int value) {
    return value * 5 + 1;
}
#if UPDATED
int (*volatile handler)(int) = two;
#else
int (*volatile handler)(int) = one;
#endif

EXPORT int call(int value) {
    return handler(value);
}
EXPORT int both(int value) {
    return one(value) + two(value);
}
