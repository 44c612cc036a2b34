// expect: refused type-layout-changed
#include "../case.h"

struct Base {
    int first;
#if UPDATED
    int second;
#endif
};
struct Derived : Base {
    int last;
};

EXPORT int last_of(Derived *derived) {
    return derived->last / 3;
}
