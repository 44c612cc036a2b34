// expect: package front
// targets: mingw
// flags: -fexceptions -frtti -nostdlib -Wl,-e,entry
#include "../case.h"
#include "gcc_exceptions.h"

EXPORT int front(int value) {
#if UPDATED
    static const char text[] = "a text that moves what lies behind it";
    return text[value & 15] * value * value * 1234567 + 99 / value;
#else
    return value;
#endif
}
NOINLINE int risky(int value) {
    if (value > 5)
        throw value;
    if (value > 9)
        throw 4L;
    return value + 1;
}
EXPORT int catches(int value) {
    try {
        return risky(value);
    } catch (const int &) {
        return 5;
    }
}
EXPORT int catches_more(int value) {
    try {
        return risky(value);
    } catch (const long &) {
        return 5;
    } catch (...) {
        return 3;
    }
}
