// expect: refused type-layout-changed
#include "../case.h"

enum state { kClosed,
#if UPDATED
    kBusy,
#endif
    kOpen, kFailed };
struct door {
    enum state state;
};

EXPORT int is_open(struct door *door) {
    return door->state == kOpen;
}
