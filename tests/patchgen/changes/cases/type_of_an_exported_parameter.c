// expect: refused type-layout-changed
#include "../case.h"

struct state {
#if UPDATED
    long long limit;
#endif
    int count;
    int *items;
};

EXPORT NOINLINE int step(struct state *state, int item) {
    state->items[state->count++] = item;
    return 0;
}
EXPORT int run_list(int *items, int count) {
    struct state state = {.items = items};
    int errors = 0;
    for (int i = 0; i < count; ++i)
        errors += step(&state, i);
    return errors;
}
