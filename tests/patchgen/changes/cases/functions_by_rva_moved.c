// expect: package front
// The words of a table of RVAs differ, and lead to the same functions.
#include "../case.h"

EXPORT int front(int value) {
#if UPDATED
    return value * value * value * 1234567 + 99 / value;
#else
    return value;
#endif
}
EXPORT int plus(int value) {
    return value + 7;
}
EXPORT int times(int value) {
    return value * 7;
}
EXPORT int minus(int value) {
    return 7 - value;
}
__asm__(".section .rdata,\"dr\"\n"
        ".p2align 2\n"
        "functions: .rva plus, times\n"
        ".rva minus\n"
        ".text\n"
        ".globl by_rva\n"
        ".def by_rva; .scl 2; .type 32; .endef\n"
        ".seh_proc by_rva\n"
        "by_rva: subq $40, %rsp\n"
        ".seh_stackalloc 40\n"
        ".seh_endprologue\n"
        "leaq __ImageBase(%rip), %r8\n"
        "movl %edx, %edx\n"
        "movl functions@IMGREL(%r8,%rdx,4), %eax\n"
        "addq %r8, %rax\n"
        "callq *%rax\n"
        "addq $40, %rsp\n"
        "ret\n"
        ".seh_endproc\n"
        ".section .drectve,\"yn\"\n"
        ".ascii \" -export:by_rva\"\n"
        ".text\n");
