// What the update of tally changes: one thing of every kind that an update may contain. UPDATED=0 is the baseline.
#include "samples/tally/answers.h"

static volatile LONG64 calls; // an existing global that both versions of price() write

int clamp(int value) {
    return value > 1000 ? 1000 : value;
}

#if UPDATED
// A function that the baseline does not have.
static __attribute__((noinline)) int discount(int amount) {
    return amount - amount / 4;
}
#endif

// Existing global, unchanged callee, new callee.
int price(int amount) {
    InterlockedIncrement64(&calls);
#if UPDATED
    return clamp(discount(amount * 3));
#else
    return clamp(amount * 3);
#endif
}

#if UPDATED
static const int weights[16] = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53};
#else
static const int weights[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
#endif

// The same code over a changed constant table.
int weigh(uint32_t seed) {
    return weights[seed & 15] + weights[(seed >> 4) & 15];
}

// A changed string.
const char* greeting(void) {
#if UPDATED
    return "tally-with-the-update";
#else
    return "tally";
#endif
}

#if UPDATED
static volatile LONG first_audit = 1000; // a new global in .data
static volatile LONG audit_count;        // a new global in .bss
#endif

// New writable globals: the answer is 0 before, and counts up from 1001 after.
LONG audit(void) {
#if UPDATED
    return first_audit + InterlockedIncrement(&audit_count);
#else
    return 0;
#endif
}

// An import that the baseline does not have.
int ticking(void) {
#if UPDATED
    return GetTickCount64() != 0;
#else
    return 0;
#endif
}

static volatile int scratch[8];

// A jump table. The cases do different work, or compilers would make it a table of values.
int classify(uint32_t kind, int value) {
    switch (kind) {
    case 0:
        return value + scratch[0];
    case 1:
        scratch[1] = value;
        return value * 7;
    case 2:
        return clamp(value) - 5;
    case 3:
        return scratch[3] - value;
    case 4:
        scratch[4] = value * 3;
        return 40;
    case 5:
        return value / 3 + scratch[5];
    case 6:
        return clamp(value * value);
#if UPDATED
    case 7:
        scratch[7] = 1;
        return value ^ 0x55;
    case 8:
        return value * 100 + 8;
#else
    case 7:
        return value ^ 0x2a;
#endif
    default:
        return -1;
    }
}

// A floating-point constant.
double interest(double capital) {
#if UPDATED
    return capital * 1.0725;
#else
    return capital * 1.05;
#endif
}

// A recursive function.
uint32_t paths(uint32_t steps) {
    if (steps < 3)
        return steps;
#if UPDATED
    return paths(steps - 1) + paths(steps - 2) + paths(steps - 3);
#else
    return paths(steps - 1) + paths(steps - 2);
#endif
}

// A changed function that is called through a pointer ...
int scale(int value) {
#if UPDATED
    return value * 20 + 1;
#else
    return value * 10;
#endif
}

// ... and a changed function that compares that pointer: both must see the same address for scale().
int is_scale(Operation operation) {
#if UPDATED
    return operation == scale ? 2 : 0;
#else
    return operation == scale ? 1 : 0;
#endif
}

LONG64 read_calls(void) {
    return calls;
}
