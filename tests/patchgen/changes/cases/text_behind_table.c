// expect: package name_of
// Text that follows a table may be part of it, as far as anybody knows who has no symbols: the copy has it too.
#include "../case.h"

__asm__(".section .rdata,\"dr\"\n"
        ".balign 8\n"
        "table:\n"
        "    .quad first, second\n"
        "    .long 1, 2\n"
#if UPDATED
        "    .quad second, first\n"
#else
        "    .quad first, first\n"
#endif
        "    .long 3, 4\n"
        "    .quad 0, 0, 0\n"
        "behind: .asciz \"signed char\"\n"
        "first: .asciz \"first\"\n"
        "second: .asciz \"second\"\n"
        ".text\n");
struct row {
    const char *name, *other;
    int low, high;
};
extern const struct row table[];
extern const char behind[];

EXPORT const char *name_of(int i) {
    return table[i].low > 2 ? table[i].name : 0;
}
EXPORT const char *text_behind(void) {
    return behind;
}
