// A short jump to a function that does not change.
#include "asm.inc"
    .globl jumps
jumps:
    lea ecx, [rcx + 1 + UPDATED]
    nop dword ptr [rax]
    .byte 0xeb, target - 0f
0:
    .p2align 4, 0xcc
    .globl target
target:
    lea eax, [rcx + 77]
    ret
