// A new table of RVAs.
#include "asm.inc"
    .globl takes
takes:
    mov eax, 7
#if UPDATED
    lea rax, [rip + table]
#endif
    add rax, 1
    ret

#if UPDATED
    .section .rdata,"dr"
    .p2align 2
    .globl table
table:
    .rva unchanged, unchanged_too, entry
#endif
