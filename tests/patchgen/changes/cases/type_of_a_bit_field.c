// expect: refused type-layout-changed
#include "../case.h"

struct flags {
    unsigned a : 3;
#if UPDATED
    unsigned c : 1;
#endif
    unsigned b : 4;
};

EXPORT int b_of(struct flags *flags) {
    return flags->b;
}
