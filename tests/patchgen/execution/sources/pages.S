// One adrp serves several places of one page. The update changes what one of them holds: that place becomes a copy in
// the package, the other ones stay in the baseline, and the users part ways.
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
    .globl run_address
    .p2align 2
run_address:
    adrp x8, kept
    ldr x9, [x8, :lo12:kept]
    ldr x11, [x8, :lo12:kept + 8]
    add x10, x8, :lo12:changed
    ldp x12, x13, [x10]
    add x0, x9, x11
    add x0, x0, x12
    add x0, x0, x13
    add x0, x0, x1
    eor x0, x0, x2
    ret

    .globl run_loads
    .p2align 2
    .seh_proc run_loads
run_loads:
    stp x29, x30, [sp, #-16]!
    .seh_save_fplr_x 16
    .seh_endprologue
    bl run_address
    adrp x8, kept
    ldr x9, [x8, :lo12:kept]
    ldr x11, [x8, :lo12:kept + 8]
    ldr x10, [x8, :lo12:changed + 8]
    ldr w12, [x8, :lo12:changed + 12]
    add x0, x0, x9
    add x0, x0, x10
    eor x0, x0, x11
    add x0, x0, x12
    .seh_startepilogue
    ldp x29, x30, [sp], #16
    .seh_save_fplr_x 16
    .seh_endepilogue
    ret
    .seh_endproc

    .globl run_vectors
    .p2align 2
run_vectors:
    adrp x8, kept
    ldr d0, [x8, :lo12:kept]
    ldr d2, [x8, :lo12:kept + 8]
    ldr d1, [x8, :lo12:changed + 8]
    add d0, d0, d1
    add d0, d0, d2
    fmov x9, d0
    add x0, x9, x1
    ret

    .section .drectve,"yn"
    .ascii " /export:run_address /export:run_loads /export:run_vectors"
