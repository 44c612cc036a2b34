// expect: package choose
// targets: x64 arm64
// flags: -Xclang -cfguard -Wl,-guard:cf
// With control-flow guard: the update takes the addresses of a function that the baseline calls directly alone, and of
// one that it has not.
#include "../case.h"

typedef int operation(int);

static int twice(int value) {
    return 2 * value;
}
NOINLINE static int thrice(int value) {
    return 3 * value;
}
#if UPDATED
static int brought(int value) {
    return 5 * value + 1;
}
#endif
static operation *volatile chosen = twice;

NOINLINE static void choose(int second) {
#if UPDATED
    chosen = second ? thrice : brought;
#else
    chosen = second ? twice : 0;
#endif
}
EXPORT int called(int value) {
    choose(value);
    return chosen(value) + thrice(value);
}

static void check(void) {}
void *__guard_check_icall_fptr = check, *__guard_dispatch_icall_fptr = check;
extern char __guard_fids_table[], __guard_fids_count[], __guard_flags[];
const struct {
    unsigned size, before[27];
    void *check, *dispatch;
    char *table, *count, *flags;
    unsigned long long behind[21];
} _load_config_used = {
    0x140, {0}, &__guard_check_icall_fptr, &__guard_dispatch_icall_fptr, __guard_fids_table, __guard_fids_count,
    __guard_flags, {0}};
