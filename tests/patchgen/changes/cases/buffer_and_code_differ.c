// targets: x64 arm64 mingw
// expect: package buffer_new reset
// A constant that grew, and a function that uses other members than it did: no other layout.
#include "../case.h"

struct buffer {
    int used, size, limit, last;
};

EXPORT NOINLINE void *taken(unsigned size) { return allocate(size); }
EXPORT char *buffer_new(void) { return (char *)taken(64 + 4 * UPDATED) + 1; }
EXPORT int reset(struct buffer *buffer, int size) {
#if UPDATED
    if (size < 0)
        return 0;
    buffer->size = size;
    buffer->limit = size;
#else
    buffer->used = size;
    buffer->limit = size;
#endif
    return buffer->last;
}
