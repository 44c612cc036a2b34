// expect: refused data-unmapped
#include "../case.h"

typedef float Vector __attribute__((vector_size(16)));
#define SHARED __attribute__((section("shared")))

EXPORT SHARED int first = 1;
#if UPDATED
SHARED __attribute__((aligned(16))) float row[4] = {1};
#else
SHARED __attribute__((aligned(4))) float row[4] = {1};
#endif

EXPORT float *row_of(void) {
    return row;
}
EXPORT void fill(float value) {
#if UPDATED
    *(Vector *)row = (Vector){value, value, value, value};
#else
    for (int i = 0; i < 4; ++i)
        row[i] = value + i;
#endif
}
