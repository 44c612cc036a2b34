// expect: refused type-layout-changed data-resized
#include "../case.h"

struct state {
    int count;
#if UPDATED
    int limit;
#endif
};
struct state state;

EXPORT int next(void) {
#if UPDATED
    if (state.limit)
        return 0;
#endif
    return ++state.count;
}
