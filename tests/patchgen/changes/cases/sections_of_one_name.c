// expect: package counted
// Two sections of one name, since their protection differs.
#include "../case.h"

__attribute__((section(".both$a"))) int variable = 3;
__attribute__((section(".both$b"))) const int constant[4] = {7, 8, 9, 10};

EXPORT int counted(int value) {
    return variable++ + constant[value & 3] * (UPDATED ? 2 : 3);
}

EXPORT int read(int value) {
    return variable - constant[value & 1];
}
