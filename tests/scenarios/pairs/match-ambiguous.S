// options: --no-symbols
// Of functions that nothing leads to and nothing names, one may be the other.
#include "asm.inc"
#if !UPDATED
    .seh_proc before
before:
    sub rsp, 40
    .seh_stackalloc 40
    .seh_endprologue
    sub ecx, edx
    movzx eax, cl
    add rsp, 40
    ret
    .seh_endproc
    .p2align 4, 0xcc
#endif
    .seh_proc kept
kept:
    sub rsp, 56
    .seh_stackalloc 56
    .seh_endprologue
    lea eax, [rcx + 8*rcx]
    add rsp, 56
    ret
    .seh_endproc
    .p2align 4, 0xcc
#if UPDATED
    .seh_proc after
after:
    sub rsp, 72
    .seh_stackalloc 72
    .seh_endprologue
    imul eax, edx
    add rsp, 72
    ret
    .seh_endproc
#endif
