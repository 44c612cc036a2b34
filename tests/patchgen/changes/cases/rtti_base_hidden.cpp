// expect: refused vtable-changed
// reports: make
// targets: x64 arm64
// flags: -frtti
// A dynamic_cast to the base succeeded, and fails.
#include "../case.h"
#include "microsoft_exceptions.h"

struct Base {
    virtual int first() { return 1; }
    int value;
};
#if UPDATED
struct Derived : private Base {
#else
struct Derived : Base {
#endif
    int first() override { return value * 7; }
};
EXPORT void make(void *place) {
    new (place) Derived;
}
EXPORT void make_base(void *place) {
    new (place) Base;
}
