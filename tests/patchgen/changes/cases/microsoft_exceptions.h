// Stands in for what Microsoft's exceptions and type information need of their library.
#pragma once

#ifdef __aarch64__
#define RETURNS_NOTHING "mov x0, xzr\n"
#else
#define RETURNS_NOTHING "xorl %eax, %eax\n"
#endif
#define LIBRARY_FUNCTION(name)                                                                                         \
    __asm__(".text\n.globl " #name "\n.def " #name "; .scl 2; .type 32; .endef\n.p2align 4\n" #name                     \
            ": " RETURNS_NOTHING "ret\n")
LIBRARY_FUNCTION(_CxxThrowException);
LIBRARY_FUNCTION(__CxxFrameHandler3);
LIBRARY_FUNCTION(__std_terminate);
extern "C" const void *const type_info_table[1] __asm__("??_7type_info@@6B@");
const void *const type_info_table[1] = {type_info_table};
