// expect: package choose
#include "../case.h"

int work(int value);
EXPORT int choose(int kind, int value) {
    switch (kind) {
#if UPDATED
    case 0: return work(value);
    case 1: return work(value * 7);
#else
    case 1: return work(value);
    case 0: return work(value * 7);
#endif
    case 2: return work(value + 9) + 1;
    case 3: return work(value ^ 5) + 2;
    case 4: return work(value / 3) + 4;
    case 5: return work(value % 11) + 8;
    case 6: return work(value << 3) + 16;
    }
    return -1;
}
NOINLINE int work(int value) {
    static volatile int sum;
    return sum += value;
}
