// The end of a section that the baseline has not.
#include "asm.inc"
    .globl ends
    .seh_proc ends
ends:
    sub rsp, 40
    .seh_stackalloc 40
    .seh_endprologue
    mov eax, 7
#if UPDATED
    lea rax, [rip + extra_end]
#endif
    add rsp, 40
    ret
    .seh_endproc

#if UPDATED
    .section extra,"dr"
    .globl extra_start
extra_start:
    .fill 64, 1, 0x82
extra_end:
#endif
