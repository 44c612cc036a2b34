// expect: package entry_of
// A table of functions, and behind it text without a NUL, as Rust writes it. Only the text changes.
#include "../case.h"

__asm__(".section .rdata,\"dr\"\n"
        ".p2align 3\n"
        "functions: .quad first\n"
        ".quad second\n"
#if UPDATED
        "said: .ascii \"called with a text of 27 by\"\n"
#else
        "said: .ascii \"called with a text of 26 by\"\n"
#endif
        ".byte 0xff, 2, 3, 4, 5\n"
        ".text\n"
        ".p2align 4, 0xcc\n"
        "first: leaq 1(%rcx), %rax\n"
        "ret\n"
        ".p2align 4, 0xcc\n"
        "second: leaq 2(%rcx), %rax\n"
        "ret\n"
        ".p2align 4, 0xcc\n"
        ".globl entry_of\n"
        ".def entry_of; .scl 2; .type 32; .endef\n"
        "entry_of: leaq functions(%rip), %rax\n"
        "andl $1, %ecx\n"
        "movq (%rax,%rcx,8), %rax\n"
        "ret\n"
        ".section .drectve,\"yn\"\n"
        ".ascii \" -export:entry_of\"\n"
        ".text\n");
