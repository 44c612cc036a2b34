/* A program that is built with control-flow guard. Ten times a second it chooses a function by its address, calls it by
   that address, and writes what came of it to the file that --out names; it ends after the seconds given by --seconds.
   The update (-DUPDATED=1) chooses a function that the baseline has not, and one that the baseline has and takes the
   address of nowhere. */
#include <windows.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int operation(int);

static int twice(int value) {
    return 2 * value;
}
__attribute__((noinline)) static int thrice(int value) {
    return 3 * value;
}
#if UPDATED
static int brought(int value) {
    return 5 * value + 1;
}
#endif
static operation* volatile chosen = twice;

__attribute__((noinline)) static void choose(int second) {
#if UPDATED
    chosen = second ? thrice : brought;
#else
    chosen = second ? twice : 0;
    if (!chosen)
        chosen = twice;
#endif
}

/* What Microsoft's runtime has in an object of its own: where Windows puts its own functions in, and what the linker
   fills in. Where there is no guard, every call passes. */
static void check(void) {}
void* __guard_check_icall_fptr = check;
__attribute__((naked)) static void dispatch(void) {
    __asm__("jmp *%rax");
}
void* __guard_dispatch_icall_fptr = dispatch;
extern char __guard_fids_table[], __guard_fids_count[], __guard_flags[];
__attribute__((section(".rdata$zz"))) const struct {
    unsigned size, before[27];
    void *check, *dispatch;
    char *table, *count, *flags;
    unsigned long long behind[21];
} _load_config_used = {
    0x140, {0}, &__guard_check_icall_fptr, &__guard_dispatch_icall_fptr, __guard_fids_table, __guard_fids_count,
    __guard_flags, {0}};

int main(int argc, char** argv) {
    const char* path = "out.txt";
    int seconds = 60;
    for (int i = 1; i + 1 < argc; ++i) {
        if (strcmp(argv[i], "--out") == 0)
            path = argv[i + 1];
        if (strcmp(argv[i], "--seconds") == 0)
            seconds = atoi(argv[i + 1]);
    }
    FILE* out = fopen(path, "w");
    if (!out)
        return 1;
    for (int i = 0; i < 10 * seconds; ++i) {
        choose(0);
        const int first = chosen(100);
        choose(1);
        fprintf(out, "first=%d second=%d direct=%d end\n", first, chosen(100), thrice(argc));
        fflush(out);
        Sleep(100);
    }
    return 0;
}
