// Short branches that lead out of functions: in the package they need veneers. Literals and addresses by adr.
    .text
    .globl other
    .p2align 2
other:
    add x0, x0, #7
    mul x0, x0, x0
    ret

    .globl another
    .p2align 2
another:
    sub x0, x0, #9
    mul x0, x0, x0
    ret

    .globl chooses
    .p2align 2
chooses:
    cbz x0, other
    tbnz w0, #3, another
    cmp x0, #100
    b.hi other
#if UPDATED
    add x0, x0, #2
#else
    add x0, x0, #1
#endif
    ret

    .globl takes
    .p2align 2
takes:
    adr x1, other
    ldr x2, 1f
    ldr d0, 1f
    b 2f
    .p2align 3
1:  .quad 0x3ff0000000000001
2:
#if UPDATED
    add x0, x1, x2
#else
    sub x0, x1, x2
#endif
    ret
