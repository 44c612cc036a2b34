// expect: package next
#include "../case.h"

struct state {
#if UPDATED
    unsigned count;
#else
    int count;
#endif
};

EXPORT int next(struct state *state) {
    return state->count / 3;
}
