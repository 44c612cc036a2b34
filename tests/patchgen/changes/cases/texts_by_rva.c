// expect: refused data-relative
// reports: by_rva
// The words of a table of RVAs stay as they are, what they lead to differs.
#include "../case.h"

__asm__(".section .rdata,\"dr\"\n"
        ".p2align 4\n"
        "one: .asciz \"first text\"\n"
#if UPDATED
        "two: .asciz \"other text\"\n"
#else
        "two: .asciz \"second one\"\n"
#endif
        ".p2align 2\n"
        "texts: .rva one, two\n"
        ".text\n"
        ".globl by_rva\n"
        ".def by_rva; .scl 2; .type 32; .endef\n"
        "by_rva: leaq __ImageBase(%rip), %r8\n"
        "movl %ecx, %edx\n"
        "movl texts@IMGREL(%r8,%rdx,4), %eax\n"
        "addq %r8, %rax\n"
        "ret\n"
        ".section .drectve,\"yn\"\n"
        ".ascii \" -export:by_rva\"\n"
        ".text\n");

EXPORT int other(int value) {
    return value * 3;
}
