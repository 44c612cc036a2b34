// expect: package is_open
#include "../case.h"

enum state { kClosed, kOpen, kFailed,
#if UPDATED
    kBusy,
#endif
};
struct door {
    enum state state;
};

EXPORT int is_open(struct door *door) {
#if UPDATED
    if (door->state == kBusy)
        return -1;
#endif
    return door->state == kOpen;
}
