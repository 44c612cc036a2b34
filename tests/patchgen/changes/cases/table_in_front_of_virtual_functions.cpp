// expect: package other
// without: package other
// targets: x64 arm64
// flags: -frtti
// What tells the type of the objects lies between the table and the virtual functions, and belongs to neither.
#include "../case.h"
#include "microsoft_exceptions.h"

static const int squares[4] = {0, 1, 4, 9};

EXPORT int square(unsigned value) {
    return squares[value & 3];
}

#if UPDATED
static const int cubes[4] = {0, 1, 8, 27};
#endif

EXPORT int other(unsigned value) {
#if UPDATED
    return cubes[value & 3];
#else
    return (int)value;
#endif
}

struct Base {
    virtual int first() { return 1; }
    int value;
};
struct Derived : Base {
    int first() override { return value * 7; }
};
EXPORT void make(void* place) {
    new (place) Derived;
}
EXPORT void make_base(void* place) {
    new (place) Base;
}
