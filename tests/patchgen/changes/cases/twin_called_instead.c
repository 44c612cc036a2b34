// expect: package chosen
// without: package chosen
// targets: x64 arm64 mingw
// Without names, two functions of equal code are told apart by the tables that they use, whoever calls which.
#include "../case.h"

static const int first[4] = {1, 2, 3, 4};
static const int second[4] = {5, 6, 7, 8};

NOINLINE static int from_first(unsigned index) {
    return first[index & 3] * 3 + 1;
}

NOINLINE static int from_second(unsigned index) {
    return second[index & 3] * 3 + 1;
}

EXPORT int chosen(unsigned index) {
#if UPDATED
    return from_second(index) + (int)index;
#else
    return from_first(index) + (int)index;
#endif
}

EXPORT int both(unsigned index) {
    return from_first(index) - from_second(index);
}
