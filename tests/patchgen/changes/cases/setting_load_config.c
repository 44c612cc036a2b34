// expect: refused loader-settings-changed
// targets: x64 arm64
// DLLs that it depends on come from System32 alone.
#include "../case.h"

const struct {
    unsigned size, words[18];
    unsigned short version, dependent_load_flags;
    unsigned long long rest[4];
} _load_config_used = {112, {0}, 0, UPDATED ? 0x800 : 0, {0}};

EXPORT int other(int value) {
    return value * 3;
}
