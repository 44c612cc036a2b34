// expect: package greet
#include "../case.h"

EXPORT const unsigned short *greet(void) {
#if UPDATED
    return L"good morning";
#else
    return L"good evening";
#endif
}
EXPORT int other(int value) {
    return value * 3;
}
