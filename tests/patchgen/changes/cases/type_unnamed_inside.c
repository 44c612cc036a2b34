// expect: refused type-layout-changed
#include "../case.h"

struct value {
    int kind;
    struct {
#if UPDATED
        short extra;
        short length;
#else
        int length;
#endif
    } text;
};

EXPORT int length_of(struct value *value) {
    return value->text.length / 3;
}
