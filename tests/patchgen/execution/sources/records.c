// Structures: sorted, passed and returned by value, linked, with bit fields.
#include "prelude.h"

typedef struct {
    u32 key;
    u16 flags;
    u8 kind;
    u8 rest;
    i64 value;
} Record;

typedef struct {
    u32 low : 5, middle : 11, high : 16;
} Packed;

static KEEP int before(const Record* left, const Record* right) {
#if UPDATED
    if (left->kind != right->kind)
        return left->kind < right->kind;
#endif
    return left->key < right->key;
}

static KEEP void sort(Record* records, u32 count) {
    for (u32 i = 1; i < count; ++i)
        for (u32 j = i; j > 0 && before(&records[j], &records[j - 1]); --j) {
            const Record kept = records[j];
            records[j] = records[j - 1];
            records[j - 1] = kept;
        }
}

static KEEP Record merged(Record left, Record right) {
    Record result = left;
    result.value += right.value;
#if UPDATED
    result.flags = (u16)(left.flags & ~right.flags);
    result.rest = 1;
#else
    result.flags = (u16)(left.flags | right.flags);
#endif
    return result;
}

RUN(run_sort) {
    sort((Record*)buffer, 16);
    return ((Record*)buffer)[a & 15].key + b;
}

RUN(run_merge) {
    Record* records = (Record*)buffer;
    Record all = records[a & 15];
    for (u32 i = 0; i < 16; ++i)
        all = merged(all, records[i]);
    records[b & 15] = all;
    return (u64)all.value ^ all.flags;
}

RUN(run_bits) {
    Packed* fields = (Packed*)buffer;
    u64 sum = 0;
    for (u32 i = 0; i < 64; ++i) {
        sum += fields[i].middle * (u64)fields[i].low;
#if UPDATED
        fields[i].high = fields[i].high + fields[i].low;
#else
        fields[i].middle = fields[i].high;
#endif
    }
    return sum + a + b;
}

RUN(run_links) {
    u32 at = a & 0xff, steps = 0;
    while (steps < 300 && at != (b & 0xff)) {
        at = buffer[at] ^ (steps & 7);
        ++steps;
    }
    return at << 16 | steps;
}
