// expect: package mix
// targets: x64 arm64 mingw
// What a vector holds may lead from where it lies to the next constant, and is no distance all the same.
#include "../case.h"

typedef int vector __attribute__((vector_size(16)));

EXPORT void mix(vector *at) {
#if UPDATED
    at[0] ^= (vector){16, 16, 16, 16};
    at[1] ^= (vector){16, 32, 16, 32};
    at[2] ^= (vector){16, 16, 32, 32};
    at[3] ^= (vector){-7, 5, 9, 11};
#endif
    at[4] ^= (vector){3, 5, 7, 9};
}
