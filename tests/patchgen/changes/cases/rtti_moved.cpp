// expect: package front
// targets: x64 arm64
// flags: -frtti
#include "../case.h"
#include "microsoft_exceptions.h"

EXPORT const char *front(int value) {
#if UPDATED
    return value == 99 ? "a text that is longer, so that what lies behind it moves" : "another";
#else
    return value == 99 ? "short" : "another";
#endif
}
struct Base {
    virtual int first() { return 1; }
    int value;
};
struct Derived : Base {
    int first() override { return value * 7; }
};
EXPORT void make(void *place) {
    new (place) Derived;
}
EXPORT void make_base(void *place) {
    new (place) Base;
}
