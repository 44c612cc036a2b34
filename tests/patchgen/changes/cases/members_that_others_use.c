// targets: x64 arm64 mingw
// expect: package used_of grown
// Two functions that use other members than they did are no other layout.
#include "../case.h"

struct session {
    int state, used, size, limit;
};

#if UPDATED
#define MEMBER(name, other) other
#else
#define MEMBER(name, other) name
#endif

EXPORT int used_of(struct session *session) { return session->MEMBER(used, size); }
EXPORT void grown(struct session *session, int size) { session->MEMBER(size, limit) = size; }
EXPORT int state_of(struct session *session) { return session->state; }
EXPORT int limit_of(struct session *session) { return session->limit; }
