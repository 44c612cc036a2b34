// A switch as MSVC writes it: a table of bytes behind the function, each the distance from the table in words.
    .text
    .globl run_bytes
    .p2align 3
    .seh_proc run_bytes
run_bytes:
    stp x29, x30, [sp, #-16]!
    .seh_save_fplr_x 16
    .seh_endprologue
    and w10, w1, #7
    cmp w10, #4
    b.hi .Lnone
    adr x9, .Ltable
    ldrsb x8, [x9, w10, uxtw]
    add x8, x9, x8, lsl #2
    br x8
.Lzero:
    add x0, x1, #10
    b .Lout
.Lone:
#if UPDATED
    eor x0, x1, #0x7
#else
    eor x0, x1, #0x3
#endif
    b .Lout
.Lnone:
    mov x0, x2
.Lout:
    .seh_startepilogue
    ldp x29, x30, [sp], #16
    .seh_save_fplr_x 16
    .seh_endepilogue
    ret
    .seh_endproc
.Ltable:
    .byte (.Lzero - .Ltable) / 4
    .byte (.Lone - .Ltable) / 4
    .byte (.Lzero - .Ltable) / 4
    .byte (.Lone - .Ltable) / 4
    .byte (.Lnone - .Ltable) / 4
    .p2align 3
    .globl run_other
run_other:
    add x0, x1, x2
    ret

    .section .drectve,"yn"
    .ascii " /export:run_bytes /export:run_other"
