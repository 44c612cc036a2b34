// targets: x64 arm64 mingw
// expect: refused type-layout-changed
// without: refused type-layout-changed
// Without types, a constant that grew where an object is made, and members that lie as much further in a function that
// changed in other things too.
#include "../case.h"

struct session {
    int state;
    int more[4 + 8 * UPDATED];
    int used, apart, size, from, limit, one, last, another;
};

EXPORT NOINLINE void *taken(unsigned size) { return allocate(size); }
EXPORT struct session *session_new(void) { return taken(sizeof(struct session)); }
EXPORT int session_reset(struct session *session, int size) {
#if UPDATED
    if (size < 0)
        return 0;
#endif
    session->used += size;
    session->size -= size;
    session->limit = session->last * size;
    return session->state;
}
