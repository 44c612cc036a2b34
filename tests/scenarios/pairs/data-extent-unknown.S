// options: --no-symbols
// New data of which nothing says where it ends.
#include "asm.inc"
    .globl takes
    .seh_proc takes
takes:
    sub rsp, 40
    .seh_stackalloc 40
    .seh_endprologue
    mov eax, 7
#if UPDATED
    lea rax, [rip + large]
    lea rcx, [rip + behind]
#endif
    add rsp, 40
    ret
    .seh_endproc

#if UPDATED
    .section .rdata,"dr"
    .p2align 4
large:
    .fill 0x140000, 1, 1
behind:
    .fill 64, 1, 2
#endif
