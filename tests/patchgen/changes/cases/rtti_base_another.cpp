// expect: refused type-layout-changed
// flags: -frtti
#include "../case.h"

extern "C" const void *const type_info_table[1] __asm__("??_7type_info@@6B@");
const void *const type_info_table[1] = {type_info_table};

struct First {
    virtual int first() { return 1; }
    int a;
};
struct Second {
    virtual int second() { return 2; }
    int b;
};
#if UPDATED
struct Both : First, Second {
#else
struct Both : First {
#endif
    int first() override { return a * 7; }
};

EXPORT void make(void *place) {
    new (place) Both;
}
EXPORT void make_parts(void *one, void *two) {
    new (one) First;
    new (two) Second;
}
