// expect: refused type-layout-changed
#include "../case.h"

struct state {
#if UPDATED
    long long limit;
#endif
    int count;
    int *items;
};

static NOINLINE int step(struct state *state, int item) {
    state->items[state->count++] = item;
    return 0;
}
EXPORT int run_list(int *items, int count, void **last) {
    struct state state = {.items = items};
    struct state *other = *last;
    int errors = other->count;
    for (int i = 0; i < count; ++i)
        errors += step(&state, i);
    return errors;
}
