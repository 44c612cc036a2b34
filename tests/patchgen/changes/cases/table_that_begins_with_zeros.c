// targets: x64 arm64
// expect: package named_by
// A table that begins with zeros, behind bytes that could be a text: nothing tells that they end one.
#include "../case.h"

struct entry {
    long long key;
    long long value;
};

static const struct {
    char mark[16];
    struct entry table[4];
} constants = {"----END CERTIFI-", {{0, 0}, {1, 3}, {2, 4}, {3, 5 + UPDATED}}};

EXPORT NOINLINE long long found_in(const struct entry *table, long long key) {
    for (int i = 0; i < 4; ++i)
        if (table[i].key == key)
            return table[i].value;
    return -1;
}
EXPORT long long named_by(long long key) { return found_in(constants.table, key); }
EXPORT int is_mark(const char *text) {
    for (int i = 0; i < 16; ++i)
        if (text[i] != constants.mark[i])
            return 0;
    return 1;
}
