// expect: refused not-decoded
#include "../case.h"

__asm__(".section .rdata,\"dr\"\n"
        ".balign 8\n"
        "numbers: .long 0x1234567\n"
#if UPDATED
        ".long 9\n"
#else
        ".long 8\n"
#endif
        ".text\n"
        ".globl undecoded\n"
        ".def undecoded; .scl 2; .type 32; .endef\n"
        "undecoded: testl %ecx, %ecx\n"
        "je 1f\n"
        "jmp 2f\n"
        ".byte 0x06, 0x0f, 0xff, 0xff\n"
        "1: xorl %eax, %eax\n"
        "ret\n"
        "2: movl numbers+4(%rip), %eax\n"
        "ret\n"
        ".section .drectve,\"yn\"\n"
        ".ascii \" -export:undecoded\"\n"
        ".text\n");

EXPORT int other(int value) {
    return value * 3;
}
