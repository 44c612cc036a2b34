// The first instruction is one byte long, and the second a branch target.
#include "asm.inc"
    .globl loops
loops:
    push rbx
0:
    dec ecx
    jnz 0b
    lea eax, [rbx + 1 + UPDATED]
    pop rbx
    ret
