// expect: refused folded-function
// flags: -ffunction-sections -Wl,-opt:icf
#include "../case.h"

EXPORT int one(int *value) {
    return ++*value * 3;
}
EXPORT int two(int *value) {
    return ++*value *
#if UPDATED
           5;
#else
           3;
#endif
}
