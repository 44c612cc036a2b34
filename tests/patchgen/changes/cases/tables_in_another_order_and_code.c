// expect: package sum_of
// Tables without names, of which another one follows each in the update: the proof too must learn from their users where
// they begin.
#include "../case.h"

#define FIRST "first: .long 1, 2, 3, 4\n"
#define SECOND "second: .long 5, 6, 7, 8\n"
#define THIRD "third: .long 9, 10, 11, 12\n"
__asm__(".section .rdata,\"dr\"\n"
        ".balign 16\n"
#if UPDATED
        FIRST THIRD SECOND
#else
        FIRST SECOND THIRD
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
EXPORT int sum_of(int i) {
    return first_of(i) + third_of(UPDATED ? i & 3 : i);
}
