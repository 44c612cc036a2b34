// expect: package suffix
#include "../case.h"

static const char kText[] = "prefix:suffix";

EXPORT const char *suffix(void) {
#if UPDATED
    return kText + 8;
#else
    return kText + 7;
#endif
}
EXPORT const char *whole(void) {
    return kText;
}
