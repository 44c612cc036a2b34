// expect: package by_image_base
#include "../case.h"

__asm__(".section .rdata,\"dr\"\n"
        "numbers: .byte 5, 6, 7\n"
#if UPDATED
        ".byte 9\n"
#else
        ".byte 8\n"
#endif
        ".text\n"
        ".globl by_image_base\n"
        ".def by_image_base; .scl 2; .type 32; .endef\n"
        "by_image_base: leaq __ImageBase(%rip), %rax\n"
        "movzbl numbers@IMGREL(%rax,%rcx), %eax\n"
        "ret\n"
        ".section .drectve,\"yn\"\n"
        ".ascii \" -export:by_image_base\"\n"
        ".text\n");

EXPORT int other(int value) {
    return value * 3;
}
