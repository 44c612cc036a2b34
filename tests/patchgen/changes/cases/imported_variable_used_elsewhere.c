// expect: package read_twice
// reports: read_twice
// The list of what MinGW's runtime fills in when an image starts tells of that image alone: the code that goes through
// it is the same, and so is what can only be told from the list by what follows it.
#include "../case.h"

__asm__(".section .rdata,\"dr\"\n"
        ".balign 16\n"
#if UPDATED
        "more: .quad 77, 78\n"
#endif
        "numbers: .long 5, 25, 125, 0\n"
        "list_at: .quad runtime_list, 0\n"
        ".balign 8\n"
        "runtime_list: .long 0, 0, 1\n"
        "    .rva __imp_GetTickCount, variable\n"
        "    .long 64\n"
        ".balign 8\n"
        "variable: .quad __imp_GetTickCount\n"
        ".text\n");
extern const int *const list_at;
extern const char *const variable;
extern const int numbers[];
extern const int more[];
__declspec(dllimport) unsigned GetTickCount(void);

EXPORT unsigned ticks(void) {
    return GetTickCount();
}
EXPORT int through_list(int i) {
    return list_at[i];
}
EXPORT int number(int i) {
    return numbers[i];
}
EXPORT int read_variable(int i) {
    return variable[i];
}
EXPORT int read_twice(int i) {
#if UPDATED
    return more[i] + more[i + 1];
#else
    return i;
#endif
}
