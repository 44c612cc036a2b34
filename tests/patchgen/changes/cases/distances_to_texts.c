// expect: package name_of
// targets: x64 arm64
// Clang makes a table of distances from itself. Its words stay as they are.
#include "../case.h"

static const char alpha[] = "alpha", bravo[] = "bravo", delta[] = "delta", theta[] = "theta", omega[] = "omega";
#if UPDATED
static const char gamma_[] = "gimma";
#else
static const char gamma_[] = "gamma";
#endif

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
EXPORT int other(int value) {
    return value * 3;
}
