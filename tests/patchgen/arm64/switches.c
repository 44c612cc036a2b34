// Jump tables: entries of one byte, and of two where the code is long.
volatile int sink;

#define CASES(work)                                                                                                    \
    case 0: work return sink + 7;                                                                                      \
    case 1: work return sink * 3;                                                                                      \
    case 2: work return sink - 5;                                                                                      \
    case 3: work return sink ^ 9;                                                                                      \
    case 4: work return sink | 77;                                                                                     \
    case 5: work return UPDATED ? sink & 76 : sink & 75;                                                               \
    case 6: work return sink << 3;                                                                                     \
    case 7: work return sink / 3;                                                                                      \
    case 8: work return sink % 5;                                                                                      \
    case 9: work return sink / 7;                                                                                      \
    case 10: work return sink >> 3;                                                                                    \
    case 11: work return ~sink;                                                                                        \
    case 12: work return -sink;                                                                                        \
    case 13: work return sink + 1234;                                                                                  \
    case 14: work return sink * 99;                                                                                    \
    case 15: work return 3 - sink;

#define WORK sink += x; sink *= 3; sink ^= x; sink -= 7; sink += x; sink *= 5; sink ^= x; sink -= 9;

__declspec(dllexport) int short_cases(int x) {
    switch (x) {
        CASES()
    default: return 0;
    }
}

__declspec(dllexport) int long_cases(int x) {
    switch (x) {
        CASES(WORK WORK)
    default: return 0;
    }
}
