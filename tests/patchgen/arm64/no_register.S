// As shared_page, but a vector load has to part and the function uses both scratch registers.
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
    .globl vectors
    .p2align 2
vectors:
    adrp x8, kept
    mov x16, #1
    mov x17, #2
    ldr d0, [x8, :lo12:kept]
    ldr d2, [x8, :lo12:kept + 8]
    ldr d1, [x8, :lo12:changed + 8]
    fadd d0, d0, d1
    fadd d0, d0, d2
    add x0, x16, x17
    ret
