#include "asm.inc"
    .globl guarded
    .seh_proc guarded
guarded:
    sub rsp, 40
    .seh_stackalloc 40
    .seh_handler handler, @except
    .seh_endprologue
    lea eax, [rcx + 1 + UPDATED]
    add rsp, 40
    ret
    .seh_handlerdata
    .long 0
    .text
    .seh_endproc
    .p2align 4, 0xcc
    .globl handler
handler:
    mov eax, 1
    ret
