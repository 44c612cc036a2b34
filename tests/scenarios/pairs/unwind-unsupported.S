// The unwind data of a function that changes continues that of another one.
#include "asm.inc"
    .globl frame
frame:
    sub rsp, 40
    add ecx, 5
    add rsp, 40
    ret
frame_end:
    .p2align 4, 0xcc
    .globl continues
continues:
    lea eax, [rcx + 1 + UPDATED]
    nop
    ret
continues_end:

    .section .xdata,"dr"
    .p2align 2
frame_info: // UNW_VERSION 1, 4 bytes of prologue, one code: UWOP_ALLOC_SMALL 40
    .byte 1, 4, 1, 0, 4, 0x42, 0, 0
continues_info: // UNW_FLAG_CHAININFO
    .byte 0x21, 0, 0, 0
    .rva frame, frame_end, frame_info

    .section .pdata,"dr"
    .p2align 2
    .rva frame, frame_end, frame_info
    .rva continues, continues_end, continues_info
