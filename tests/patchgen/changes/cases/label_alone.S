// expect: refused not-decoded
// Code that has no more than a name, and that leads out of the image.
    .intel_syntax noprefix
    .text
    .globl entry
entry:
    mov eax, 1
    ret
    .p2align 4, 0xcc
    .globl alone
alone:
    lea rax, [rip + 0x700000]
    add rax, 1 + UPDATED
    ret
