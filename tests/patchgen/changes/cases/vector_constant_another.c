// expect: package scale
// targets: x64 arm64 mingw
#include "../case.h"

typedef float vector __attribute__((vector_size(16)));

EXPORT void scale(vector *at) {
#if UPDATED
    *at *= (vector){1.5f, 2.5f, 3.5f, 4.25f};
#else
    *at *= (vector){1.5f, 2.5f, 3.5f, 4.5f};
#endif
}
EXPORT void add(vector *at) {
    *at += (vector){9.5f, 2.5f, 3.5f, 4.5f};
}
EXPORT double half(double value) {
    return value * 0.37;
}
