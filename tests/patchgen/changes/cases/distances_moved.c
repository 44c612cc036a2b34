// expect: package front
// targets: x64 arm64
// The words of a table of distances differ, and lead to the same texts.
#include "../case.h"

static const char alpha[] = "alpha", bravo[] = "bravo";
#if UPDATED
static const char one[] = "something that is longer than it was";
#else
static const char one[] = "one";
#endif
static const char delta[] = "delta", theta[] = "theta", omega[] = "omega", gamma_[] = "gamma";

EXPORT const char *first(void) {
    return alpha;
}
EXPORT const char *front(void) {
    return one;
}
EXPORT const char *name_of(int kind) {
    switch (kind) {
    case 0:
        return alpha;
    case 1:
        return bravo;
    case 2:
        return gamma_;
    case 3:
        return delta;
    case 4:
        return theta;
    }
    return omega;
}
