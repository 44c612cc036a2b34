// expect: package grows
// Two letters without a NUL, and behind them a jump table whose bytes go on like a text.
#include "../case.h"

__asm__(".section .rdata,\"dr\"\n"
        ".balign 16\n"
        "    .ascii \"abcdefghijkl\"\n"
        "letters: .ascii \"ie\"\n"
        "others: .ascii \"xy\"\n"
        "cases: .long first - cases, second - cases, third - cases, second - cases\n"
        "    .quad 0\n"
        ".section .text$z,\"xr\"\n"
        ".balign 16\n"
        ".globl chosen\n"
        "chosen:\n"
        "    cmpl $3, %ecx\n"
        "    ja second\n"
        "    leaq cases(%rip), %rax\n"
        "    movslq (%rax,%rcx,4), %rcx\n"
        "    addq %rax, %rcx\n"
        "    jmpq *%rcx\n"
        ".balign 16, 0x90\n"
        "first: movl $1, %eax\n"
        "    retq\n"
        ".balign 16, 0x90\n"
        "second: movl $2, %eax\n"
        "    retq\n"
        ".balign 16, 0x90\n"
        "third: movl $3, %eax\n"
        "    retq\n"
        ".section .drectve,\"yn\"\n"
        ".ascii \" -export:chosen\"\n"
        ".text\n");
extern const char letters[], others[];

EXPORT int grows(int value) {
    return UPDATED ? value * value * value / 7 + value % 13 : value * 2;
}
EXPORT int is_letter(char letter) {
    const char *volatile all = letters;
    return letter == all[0] || letter == all[1];
}
EXPORT int is_other(char letter) {
    const char *volatile all = others;
    return letter == all[0] || letter == all[1];
}
