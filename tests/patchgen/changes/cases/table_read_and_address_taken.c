// expect: package limit settings
// without: package limit settings
// targets: x64 arm64 mingw
// One function reads a member alone; the other takes the address, and gets all that may belong to it.
#include "../case.h"

static const struct {
    int limit;
    const char* name;
    int (*callback)(int);
} table = {4 + UPDATED, "n", 0};

EXPORT int limit(void) {
    return *(volatile const int*)&table.limit;
}

EXPORT const void* settings(void) {
    return &table;
}
