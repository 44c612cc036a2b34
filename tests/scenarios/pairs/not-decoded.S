// 0x06 is no instruction of x64.
#include "asm.inc"
    .globl odd
    .seh_proc odd
odd:
    sub rsp, 40
    .seh_stackalloc 40
    .seh_endprologue
    lea eax, [rcx + 1 + UPDATED]
    .byte 0x06
    add rsp, 40
    ret
    .seh_endproc
