// expect: package front
// targets: x64 arm64
// flags: -fexceptions -fcxx-exceptions -frtti
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
    int value;
};
struct Derived : Base {
    int more;
};
NOINLINE int risky(int value) {
    if (value > 5) {
        Derived thrown;
        thrown.value = thrown.more = value;
        throw thrown;
    }
    return value + 1;
}
EXPORT int catches(int value) {
    try {
        return risky(value);
    } catch (Base &one) {
        return one.value;
    } catch (...) {
        return 7;
    }
}
EXPORT int passes(int value) {
    struct Guard {
        int *at;
        ~Guard() { *at += risky(1); }
    } guard{&value};
    return risky(value) * 2;
}
