// The end of one variable or the start of the next, which lie apart in the baseline.
#include "asm.inc"
    .globl both
both:
    lea rax, [rip + first]
    lea rdx, [rip + second]
    add rax, 1 + UPDATED
    ret
    .p2align 4, 0xcc
    .globl one
one:
    lea rax, [rip + between]
    mov rdx, [rip + first]
    mov rcx, [rip + second]
    ret

    .data
    .p2align 3
    .globl first, second, between
first:
    .quad 0x1122, 0x3344
#if !UPDATED
between:
    .quad 0x5566, 0x7788
#endif
second:
    .quad 0x99aa, 0xbbcc
#if UPDATED
between:
    .quad 0x5566, 0x7788
#endif
