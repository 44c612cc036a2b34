// expect: package list
// targets: x64 arm64 mingw
#include "../case.h"

EXPORT const char *list(void) {
#if UPDATED
    return "alpha\0beta\0gimma\0";
#else
    return "alpha\0beta\0gamma\0";
#endif
}
EXPORT const char *text(void) {
    return "alpha and more";
}
