// expect: refused type-layout-changed
#include "../case.h"

struct point {
#if UPDATED
    int y, x;
#else
    int x, y;
#endif
};

EXPORT int difference(struct point *point) {
    return point->x - 3 * point->y;
}
