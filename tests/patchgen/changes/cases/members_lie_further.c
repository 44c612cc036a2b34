// targets: x64 arm64 mingw
// expect: refused type-layout-changed
// without: refused type-layout-changed
// Without types, functions that differ in nothing but where members lie tell of it: of one in one byte, and of one that
// needs four.
#include "../case.h"

struct session {
    int state;
#if UPDATED
    int depth;
#endif
    int used, size, limit;
    int more[30];
    int last;
};

EXPORT int session_used(struct session *session) { return session->used; }
EXPORT int session_room(struct session *session) { return session->limit - session->used; }
EXPORT void session_grow(struct session *session, int size) {
    session->size = size;
    session->limit = size;
}
EXPORT int session_last(struct session *session) { return session->last; }
EXPORT int session_state(struct session *session) { return session->state; }
