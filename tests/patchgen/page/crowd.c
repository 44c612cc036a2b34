// An image for the page of a report: 300 functions of which an update changes 240, with calls between them, and names
// and strings that try to get out of where they are shown. UPDATED: 0 the baseline, 1 an update, 2 one that is refused.

#define UNIT __attribute__((noinline))

// The linker keeps what this refers to.
static volatile int sink;

// Writable data whose initial value cannot change under a running program.
int limit = UPDATED == 2 ? 20 : 10;

#define NAME_SCRIPT "\"</script><script>window.pwned=1</script>\""
#define NAME_IMAGE "\"<img src=x onerror=window.pwned=1>\""
#define NAME_DIRECTION "\"price\xe2\x80\xae" "evil\""

UNIT int script(int x) __asm__(NAME_SCRIPT);
UNIT int image(int x) __asm__(NAME_IMAGE);
UNIT int direction(int x) __asm__(NAME_DIRECTION);
UNIT int say(const char* text);

UNIT int say(const char* text) {
    for (; *text; ++text)
        sink += *text;
    return sink;
}

UNIT int script(int x) {
    return say(UPDATED ? "</script><script>window.pwned=2</script>" : "<!--<script>") + x;
}
UNIT int image(int x) {
    return script(x * (3 + !!UPDATED)) + say("\" onload=\"window.pwned=3") + limit;
}
UNIT int direction(int x) {
    return image(x) ^ (UPDATED ? 0x55 : 0x33);
}

#define LEAF(n)                                                                                                        \
    UNIT int leaf_##n(int x) {                                                                                         \
        sink = x + n;                                                                                                  \
        return sink * (UPDATED ? 7 : 5);                                                                               \
    }
#define MIDDLE(n)                                                                                                      \
    UNIT int middle_##n(int x) {                                                                                       \
        sink = n;                                                                                                      \
        return leaf_##n##0(x) + leaf_##n##1(x) + leaf_##n##2(x) * (UPDATED ? 3 : 1) + direction(x);                    \
    }
#define STEADY(n)                                                                                                      \
    UNIT int steady_##n(int x) {                                                                                       \
        sink = n;                                                                                                      \
        return middle_##n(x) + n;                                                                                      \
    }
#define TEN(m, n) m(n##0) m(n##1) m(n##2) m(n##3) m(n##4) m(n##5) m(n##6) m(n##7) m(n##8) m(n##9)
#define CALL(n) +steady_##n(x)

TEN(LEAF, 10) TEN(LEAF, 11) TEN(LEAF, 12) TEN(LEAF, 13) TEN(LEAF, 14) TEN(LEAF, 15) TEN(LEAF, 16) TEN(LEAF, 17)
TEN(LEAF, 18) TEN(LEAF, 19) TEN(LEAF, 20) TEN(LEAF, 21) TEN(LEAF, 22) TEN(LEAF, 23) TEN(LEAF, 24) TEN(LEAF, 25)
TEN(LEAF, 26) TEN(LEAF, 27) TEN(LEAF, 28) TEN(LEAF, 29)
TEN(MIDDLE, 1) TEN(MIDDLE, 2)
TEN(STEADY, 1) TEN(STEADY, 2)

#define LEAF_CALL(n) +leaf_##n(x)
__declspec(dllexport) int crowd(int x) {
    return 0 TEN(CALL, 1) TEN(CALL, 2) TEN(LEAF_CALL, 10) TEN(LEAF_CALL, 11) TEN(LEAF_CALL, 12) TEN(LEAF_CALL, 13)
        TEN(LEAF_CALL, 14) TEN(LEAF_CALL, 15) TEN(LEAF_CALL, 16) TEN(LEAF_CALL, 17) TEN(LEAF_CALL, 18) TEN(LEAF_CALL, 19)
        TEN(LEAF_CALL, 20) TEN(LEAF_CALL, 21) TEN(LEAF_CALL, 22) TEN(LEAF_CALL, 23) TEN(LEAF_CALL, 24) TEN(LEAF_CALL, 25)
        TEN(LEAF_CALL, 26) TEN(LEAF_CALL, 27) TEN(LEAF_CALL, 28) TEN(LEAF_CALL, 29);
}

__declspec(dllexport) int library_entry(void* module, unsigned reason, void* reserved) {
    (void)module, (void)reserved;
    return crowd((int)reason) != 1;
}
