// expect: package within
#include "../case.h"

__declspec(selectany) extern const int limits[2] = {10,
#if UPDATED
                                                    30
#else
                                                    20
#endif
};

EXPORT int within(const int **found, int value) {
    *found = limits;
    return value > 5;
}
EXPORT int other(int value) {
    return value * 3;
}
