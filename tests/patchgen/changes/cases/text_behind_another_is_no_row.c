// expect: package other
// without: package other
// targets: x64 arm64 mingw
// Nothing counts from the first text but by single letters within it.
#include "../case.h"

EXPORT const char *other(void);

EXPORT const char *first(void) {
    return "first text";
}

EXPORT int length(const char *text) {
    const char *end = text ? text : "nothing";
    while (*end)
        ++end;
    return (int)(end - text);
}

EXPORT const char *other(void) {
#if UPDATED
    return "other one ";
#else
    return "another   ";
#endif
}
