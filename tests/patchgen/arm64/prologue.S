// A user of a shared adrp that has to part lies within a prologue, where no veneer may stand.
    .section .rdata,"dr"
    .p2align 12
kept:
    .quad 0x0101020203030404, 0x0505060607070808
changed:
    .quad 0x0102030405060708
#if UPDATED
    .quad 0x0807060504030201
#else
    .quad 0x0807060504030202
#endif
    .p2align 6
behind:
    .quad 0x0404040404040404, 0x0808080808080808

    .text
    .globl loads
    .p2align 2
    .seh_proc loads
loads:
    adrp x8, kept
    .seh_nop
    ldr x10, [x8, :lo12:changed + 8]
    .seh_nop
    stp x29, x30, [sp, #-16]!
    .seh_save_fplr_x 16
    .seh_endprologue
    ldr x9, [x8, :lo12:kept]
    ldr x11, [x8, :lo12:kept + 8]
    add x0, x9, x10
    add x0, x0, x11
    .seh_startepilogue
    ldp x29, x30, [sp], #16
    .seh_save_fplr_x 16
    .seh_endepilogue
    ret
    .seh_endproc
