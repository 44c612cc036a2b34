// expect: package magnitude scaled
// Reads of 16 bytes, of which the first 10 look like a string, with smaller constants behind them.
#include "../case.h"

typedef long long pair __attribute__((vector_size(16)));

EXPORT void magnitude(pair *values, int count) {
    for (int i = 0; i < count; ++i)
        values[i] &= (pair){UPDATED ? 0x7ffeffffffffffff : 0x7fffffffffffffff, 0x41};
}
EXPORT float scaled(float value, int which) {
    return which ? value * 3.5f : value / (UPDATED ? 7.25f : 7.5f) + 5.5f;
}
