// expect: package catches
// without: package catches
// targets: mingw
// flags: -fexceptions -frtti -static
// GCC's handler comes from its library, which is linked into the image.
#include "../case.h"

NOINLINE int risky(int value) {
    if (value > 5)
        throw value;
    return value + 1;
}
EXPORT int catches(int value) {
    try {
        return risky(value);
    } catch (int caught) {
#if UPDATED
        return caught * 3;
#else
        return caught;
#endif
    }
}
EXPORT int other(int value) {
    return risky(value) * 2;
}
