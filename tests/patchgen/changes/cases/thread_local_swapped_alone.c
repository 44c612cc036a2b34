// expect: refused tls-changed
// reports: next miss
// targets: x64 arm64
// Without names, nothing but the offsets in the code shows it.
#include "../case.h"

unsigned _tls_index;
#pragma section(".tls", read, write)
#pragma section(".tls$ZZZ", read, write)
__declspec(allocate(".tls")) char _tls_start = 0;
__declspec(allocate(".tls$ZZZ")) char _tls_end = 0;
const struct {
    void *start, *end, *index, *callbacks;
    unsigned zero_fill, characteristics;
} _tls_used = {&_tls_start, &_tls_end, &_tls_index, 0, 0, 0};
#if UPDATED
__declspec(thread) int misses = 0, hits = 0;
#else
__declspec(thread) int hits = 0, misses = 0;
#endif

EXPORT int next(void) {
    return ++hits * 5;
}
EXPORT int miss(void) {
    return ++misses * 5;
}
