// expect: refused data-extent-unknown
// targets: mingw
// Nothing says that the index may be negative, so that nobody is known to read what changed.
#include "../case.h"

__asm__(".section .rdata,\"dr\"\n"
        "before: .long 1, 2, 3, 4\n"
        "front: .long 11, 12, 13, "
#if UPDATED
        "140\n"
#else
        "14\n"
#endif
        "middle: .long 15, 16, 17, 18\n"
        ".text\n"
        ".globl first\n.def first; .scl 2; .type 32; .endef\n.p2align 4, 0x90\nfirst:\n"
        "leaq before(%rip), %rdx\nmovl (%rdx,%rcx,4), %eax\nret\n"
        ".globl indexed\n.def indexed; .scl 2; .type 32; .endef\n.p2align 4, 0x90\nindexed:\n"
        "movslq %ecx, %rcx\nleaq middle(%rip), %rdx\nmovl (%rdx,%rcx,4), %eax\nret\n"
        ".section .drectve,\"yn\"\n.ascii \" -export:first -export:indexed\"\n.text\n");
