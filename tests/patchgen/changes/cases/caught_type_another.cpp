// expect: package catches
// reports: catches
// targets: x64 arm64
// flags: -fexceptions -fcxx-exceptions -frtti
#include "../case.h"
#include "microsoft_exceptions.h"

struct First {
    int value;
};
struct Second {
    int value;
};
NOINLINE int risky(int value) {
    if (value > 5)
        throw First{value};
    if (value > 8)
        throw Second{value};
    return value + 1;
}
EXPORT int catches(int value) {
    try {
        return risky(value);
#if UPDATED
    } catch (First &one) {
#else
    } catch (Second &one) {
#endif
        return one.value;
    }
}
EXPORT int other(int value) {
    return risky(value) * 2;
}
