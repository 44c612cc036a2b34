// expect: package from_table
#include "../case.h"

__asm__(".section .rdata,\"dr\"\n"
        ".balign 8\n"
        "numbers: .long 1, 2, 3\n"
#if UPDATED
        ".long 5\n"
#else
        ".long 4\n"
#endif
        ".text\n");
extern const int numbers[4];

EXPORT int from_table(unsigned index) {
    return numbers[index & 3];
}
EXPORT int other(int value) {
    return value * 3;
}
