// Functions that differ in nothing but their unwind data, and one with a handler.
    .text
    .globl same
    .p2align 2
    .seh_proc same
same:
    stp x29, x30, [sp, #-16]!
    .seh_save_fplr_x 16
    mov x29, sp
    .seh_set_fp
    .seh_endprologue
    add x0, x0, #1
    .seh_startepilogue
    ldp x29, x30, [sp], #16
    .seh_save_fplr_x 16
    .seh_endepilogue
    ret
    .seh_endproc

    .globl described
    .p2align 2
    .seh_proc described
described:
    stp x29, x30, [sp, #-16]!
    .seh_save_fplr_x 16
    mov x29, sp
#if UPDATED
    .seh_nop
#else
    .seh_set_fp
#endif
    .seh_endprologue
    add x0, x0, #2
    .seh_startepilogue
    ldp x29, x30, [sp], #16
    .seh_save_fplr_x 16
    .seh_endepilogue
    ret
    .seh_endproc

    .globl handled
    .p2align 2
    .seh_proc handled
handled:
    stp x29, x30, [sp, #-16]!
    .seh_save_fplr_x 16
    .seh_handler same, @except, @unwind
    .seh_endprologue
    add x0, x0, #3
    .seh_startepilogue
    ldp x29, x30, [sp], #16
    .seh_save_fplr_x 16
    .seh_endepilogue
    ret
    .seh_endfunclet
    .seh_handlerdata
#if UPDATED
    .long 2
#else
    .long 1
#endif
    .text
    .seh_endproc
