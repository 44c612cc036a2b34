/* Two functions with five bytes of fill between them, and none before the first: each could have its redirect site
   there. With -DUPDATED=1 the first changes, with -DUPDATED=2 the second. It writes to the file that --out names. */
#include <stdio.h>
#include <string.h>
#include <windows.h>

#define TEXT_OF(what) #what
#define VALUE(what) TEXT_OF(what)
#if UPDATED == 1
#define FIRST 1001
#else
#define FIRST 1
#endif
#if UPDATED == 2
#define SECOND 1002
#else
#define SECOND 2
#endif

int first(void), second(void);
/* What comes before leaves no room: a jump over no fill. Neither first instruction has room for a site either. */
__asm__(".text\n.p2align 4\n"
        ".globl before\n.def before; .scl 2; .type 32; .endef\nbefore:\n"
        " movl $7, %eax\n addl $8, %eax\n addl $9, %eax\n addl $10, %eax\n nop\n ret\n"
        ".globl first\n.def first; .scl 2; .type 32; .endef\nfirst:\n"
        " xchgw %ax, %ax\n movl $" VALUE(FIRST) ", %eax\n ret\n"
                                                " .byte 0xcc, 0xcc, 0xcc, 0xcc, 0xcc\n"
                                                ".globl second\n.def second; .scl 2; .type 32; .endef\nsecond:\n"
                                                " xchgw %ax, %ax\n movl $" VALUE(SECOND) ", %eax\n ret\n"
                                                                                         ".p2align 4, 0x90\n");

int main(int argc, char** argv) {
    FILE* out = NULL;
    for (int i = 1; i + 1 < argc; ++i)
        if (strcmp(argv[i], "--out") == 0)
            out = fopen(argv[i + 1], "w");
    for (int i = 0; out && i < 6000; ++i) {
        fprintf(out, "first=%d second=%d\n", first(), second());
        fflush(out);
        Sleep(100);
    }
    return 0;
}
