// expect: no-change
// Tables without names lie in another order, so that another one follows each, some at once and some behind padding.
// Their users say where each of them begins: none goes on into the next.
#include "../case.h"

#define FIRST "first: .long 1, 2, 3\n"
#define SECOND "second: .long 5, 6, 7, 8\n"
#define THIRD "third: .long 9, 10, 11\n"
__asm__(".section .rdata,\"dr\"\n"
#if UPDATED
        ".balign 16\n" SECOND FIRST THIRD
#else
        ".balign 16\n" FIRST ".balign 16\n" SECOND THIRD
#endif
        ".text\n");
extern const int first[], second[], third[];

EXPORT int first_of(int i) {
    return first[i];
}
EXPORT int second_of(int i) {
    return second[i] + 1;
}
EXPORT int third_of(int i) {
    return third[i] + 2;
}
