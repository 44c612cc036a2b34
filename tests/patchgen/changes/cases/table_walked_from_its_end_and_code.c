// expect: package weigh
// reports: weigh
// targets: mingw
// What lies in front of the one address that the new code has must come with it.
#include "../case.h"

static const int weights[13] = {1, 2, 3, 4, 5, 6, 7, UPDATED ? 80 : 8, 9, 10, 11, 12, 13};
static const int others[9] = {1, 22, 31, 4, 51, 6, 7, 8, 9};

EXPORT int weigh(const short *values) {
    int sum = UPDATED;
    for (const int *at = weights + 13; at != weights;) {
        --at;
        sum = sum * 3 + *at * values[sum & 3];
    }
    return sum;
}
EXPORT int weigh_others(const short *values) {
    int sum = 0;
    for (const int *at = others; at != others + 9; ++at)
        sum = sum * 3 + *at * values[sum & 3];
    return sum;
}
