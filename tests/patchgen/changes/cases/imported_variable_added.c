// expect: refused data-relative
// MinGW's runtime writes the address of an imported variable into read-only data when the image starts, by a list that
// the linker made. Nobody does so in the copy that a package would bring along.
#include "../case.h"

__asm__(".section .rdata,\"dr\"\n"
        ".balign 8\n"
        "runtime_list: .long 0, 0, 1\n"
        "    .rva __imp_GetTickCount, old_variable\n"
        "    .long 64\n"
#if UPDATED
        "    .rva __imp_GetTickCount64, new_variable\n"
        "    .long 64\n"
#endif
        ".balign 8\n"
        "old_variable: .quad __imp_GetTickCount\n"
#if UPDATED
        "new_variable: .quad __imp_GetTickCount64\n"
#endif
        ".text\n");
extern const char *const old_variable, *const new_variable;
__declspec(dllimport) unsigned GetTickCount(void);
__declspec(dllimport) unsigned long long GetTickCount64(void);

EXPORT unsigned ticks(void) {
    return GetTickCount() + (unsigned)GetTickCount64();
}
EXPORT int read_variable(int i) {
#if UPDATED
    if (i == 7)
        return *new_variable;
#endif
    return old_variable[i];
}
