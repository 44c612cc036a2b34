// A variable holds an address within a function that changes.
#include "asm.inc"
    .globl entered
    .seh_proc entered
entered:
    sub rsp, 40
    .seh_stackalloc 40
    .seh_endprologue
    mov eax, ecx
within:
    add eax, 4 + UPDATED
    add rsp, 40
    ret
    .seh_endproc

    .data
    .p2align 3
    .globl continuation
continuation:
    .quad within
