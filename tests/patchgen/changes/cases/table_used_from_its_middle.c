// expect: package clip
// reports: clip
// targets: x64 arm64 mingw
// Only an address in the middle of the table is ever taken; an index goes there from a negative number.
#include "../case.h"

__asm__(".section .rdata,\"dr\"\n"
        "scale: .long 1, 2, 3, 4\n"
        "clip_table: .long 11, 12, 13, "
#if UPDATED
        "140"
#else
        "14"
#endif
        ", 15, 16, 17, 18\n"
        "clip_middle: .long 21, 22, 23, 24, 25, 26, 27, 28\n"
        ".text\n");

#ifdef __aarch64__
__asm__(".globl clip\n.p2align 4\nclip:\n"
        "adrp x8, clip_middle\nadd x8, x8, :lo12:clip_middle\nmov x9, #-8\nmov w10, #0\n"
        "1: ldr w11, [x8, x9, lsl #2]\nadd w10, w10, w11\nadd x9, x9, #1\ncmp x9, #8\nb.ne 1b\n"
        "add w0, w10, w0\nret\n"
        ".globl first_scale\n.p2align 4\nfirst_scale:\nadrp x8, scale\nldr w0, [x8, :lo12:scale]\nret\n");
#else
__asm__(".globl clip\n.p2align 4, 0x90\nclip:\n"
        "leaq clip_middle(%rip), %r8\nmovq $-8, %r9\nxorl %eax, %eax\n"
        "1: addl (%r8,%r9,4), %eax\naddq $1, %r9\ncmpq $8, %r9\njne 1b\n"
        "addl %ecx, %eax\nret\n"
        ".globl first_scale\n.p2align 4, 0x90\nfirst_scale:\nmovl scale(%rip), %eax\nret\n");
#endif
__asm__(".section .drectve,\"yn\"\n.ascii \" -export:clip -export:first_scale\"\n.text\n");
