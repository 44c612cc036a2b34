// What packages have: calls, strings, a switch with its table, pointers to functions, globals, and new ones of them.
#if UPDATED
#define IF_UPDATED(...) __VA_ARGS__
#else
#define IF_UPDATED(...)
#endif

#define EXPORT __declspec(dllexport)

static volatile int counter = 5;
static const char* volatile last = "nothing";
IF_UPDATED(static volatile int checks;)
IF_UPDATED(static const char* const reasons[] = {"too long", "too short", "empty"};)

__attribute__((noinline)) static int twice(int x) {
    return x * 2 + counter;
}
__attribute__((noinline)) static int square(int x) {
    return x * x - counter;
}
static int (*const operations[])(int) = {twice, square, twice};

EXPORT int named(int x) {
    switch (x) {
    case 0: last = "zero"; return twice(7);
    case 1: last = "one"; return square(x + 2);
    case 2: last = "two"; return counter * 3;
    case 3: last = "three"; return counter + IF_UPDATED(1 +) 4;
    case 4: last = "four"; return ~counter;
    case 5: last = "five"; return counter >> 3;
    case 6: last = "six"; return twice(square(counter));
    default: return -1;
    }
}

EXPORT int apply(unsigned which, int x) {
    IF_UPDATED(if (which >= 3) { last = reasons[which % 3]; return ++checks; })
    return operations[which](x) + named(x);
}

EXPORT int untouched(int x) {
    return twice(x) + named(x + 1) + (int)last[0];
}
