// expect: refused data-unmapped
#include "../case.h"

typedef float Vector __attribute__((vector_size(16)));
EXPORT char first, second, third;
#if UPDATED
static __attribute__((aligned(16))) float row[4];
#else
static __attribute__((aligned(4))) float row[4];
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
