// Globals: initialised, zero, static in a function; some of them new in the update.
#include "prelude.h"

u32 calls = 3;
u32 histogram[16];
u64 last_value;
static u8 seen[64];
u16 weights[8] = {1, 2, 4, 8, 16, 32, 64, 128};
#if UPDATED
u32 refused;
u32 budget = 40;
u16 extra_weights[5] = {9, 7, 5, 3, 1};
#endif

RUN(run_count) {
    ++calls;
#if UPDATED
    if (budget == 0) {
        ++refused;
        budget = 17;
        return refused;
    }
    --budget;
#endif
    for (u32 i = 0; i < 256; ++i)
        ++histogram[buffer[i] & 15];
    return calls + histogram[a & 15] + b;
}

RUN(run_last) {
    const u64 before = last_value;
    last_value = a;
    return before + b;
}

RUN(run_seen) {
    const u32 at = a & 63;
#if UPDATED
    if (seen[at] >= 3)
        return 1000 + extra_weights[b % 5];
    seen[at] = (u8)(seen[at] + 1);
#else
    seen[at] = 1;
#endif
    return seen[(at + b) & 63];
}

RUN(run_weights) {
    static u32 rounds = 7;
    u64 sum = 0;
    for (u32 i = 0; i < 8; ++i)
        sum += (u64)weights[i] * buffer[i];
#if UPDATED
    weights[a & 7] = (u16)(weights[a & 7] ^ extra_weights[b % 5]);
    rounds += 2;
#else
    weights[a & 7] = (u16)(weights[a & 7] + 1);
    ++rounds;
#endif
    return sum + rounds;
}
