// expect: package is_known
#include "../case.h"

enum state { kClosed, kOpen, kFailed,
#if UPDATED
    kBusy,
#endif
    kStateCount };
struct door {
    enum state state;
};

EXPORT int is_known(struct door *door) {
    return door->state < kStateCount;
}
