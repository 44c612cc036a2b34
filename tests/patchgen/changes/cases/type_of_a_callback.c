// expect: refused type-layout-changed
#include "../case.h"

struct handler {
#if UPDATED
    int (*call)(int value, int size);
#else
    int (*call)(int value);
#endif
};

EXPORT int call(struct handler *handler, int value) {
#if UPDATED
    return handler->call(value, 4);
#else
    return handler->call(value);
#endif
}
