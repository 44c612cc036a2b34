// expect: package catches
// reports: catches
// targets: mingw
// flags: -fexceptions -frtti -nostdlib -Wl,-e,entry
#include "../case.h"
#include "gcc_exceptions.h"

NOINLINE int risky(int value) {
    if (value > 5)
        throw value;
    return value + 1;
}
EXPORT int catches(int value) {
#if UPDATED
    value = risky(value);
#endif
    try {
#if !UPDATED
        value = risky(value);
#endif
        return risky(risky(value));
    } catch (int) {
        return 7;
    }
}
EXPORT int other(int value) {
    return risky(value) * 2;
}
