// expect: package run_list step
#include "../case.h"

struct state {
#if UPDATED
    long long limit;
#endif
    int count;
    int *items;
};

static NOINLINE int step(struct state *state, int item) {
#if UPDATED
    if (state->count >= state->limit)
        return 1;
#endif
    state->items[state->count++] = item;
    return 0;
}
EXPORT int run_list(int *items, int count) {
    struct state state = {.items = items};
#if UPDATED
    state.limit = count;
#endif
    int errors = 0;
    for (int i = 0; i < count; ++i)
        errors += step(&state, i);
    return errors;
}
