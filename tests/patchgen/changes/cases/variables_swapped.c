// expect: package count_hit
#include "../case.h"

static volatile int hits, misses;

EXPORT int count_hit(void) {
#if UPDATED
    return ++misses;
#else
    return ++hits;
#endif
}
EXPORT int score(void) {
    return hits * 3 - misses;
}
