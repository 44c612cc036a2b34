// A new variable that shares its adrp with old ones: in the package it lies on another page.
    .data
    .p2align 12
    .globl old, older
old:
    .quad 1
older:
    .quad 2
#if UPDATED
    .globl fresh
fresh:
    .quad 3
#endif

    .text
    .globl stores
    .p2align 2
stores:
    adrp x8, old
    ldr x9, [x8, :lo12:old]
    ldr x10, [x8, :lo12:older]
    add x9, x9, x10
    str x9, [x8, :lo12:old]
#if UPDATED
    strh w0, [x8, :lo12:fresh + 2]
    ldrsb w11, [x8, :lo12:fresh + 1]
    str d0, [x8, :lo12:old]
    add x0, x9, w11, sxtw
#else
    add x0, x9, x0
#endif
    ret
