// expect: package letter early
// reports: letter
// targets: x64 mingw
// flags-mingw: -nostdlib -Wl,-e,entry
// The only address that anything has lies in another table.
    .intel_syntax noprefix
    .text
    .globl entry
entry:
    mov eax, 1
    ret
    .p2align 4, 0xcc
    .globl letter
letter:
    lea rax, [rip + letters - 0x61]
    movzx eax, byte ptr [rax + rcx]
    ret
    .p2align 4, 0xcc
    .globl early
early:
    lea rax, [rip + front]
    movzx eax, byte ptr [rax + rcx]
    ret
    .section .rdata,"dr"
    .p2align 8
    .globl front
front:
    .fill 160, 1, 7
    .globl letters
letters:
#if UPDATED
    .ascii "zyxwvutsrqponmlkjihgfedcbA"
#else
    .ascii "zyxwvutsrqponmlkjihgfedcba"
#endif
    .byte 0, 0, 0, 0, 0, 0
    .section .drectve,"yn"
    .ascii " -export:letter -export:early"
