// expect: refused data-initial-value-changed
// reports: catches
// targets: mingw
// flags: -fexceptions -frtti -nostdlib -Wl,-e,entry
#include "../case.h"
#include "gcc_exceptions.h"

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
#if UPDATED
    } catch (const int &) {
#else
    } catch (const long &) {
#endif
        return 5;
    }
}
EXPORT int other(int value) {
    return risky(value) * 2;
}
