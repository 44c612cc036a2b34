// expect: package counter
// flags: -fno-threadsafe-statics
#include "../case.h"

int start(void);

EXPORT int counter(int step) {
#if UPDATED
    static int count = start();
    count += step;
    return count;
#else
    return start() + step;
#endif
}
NOINLINE int start(void) {
    static volatile int value = 7;
    return value;
}
