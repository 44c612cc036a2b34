// Functions by pointer: tables of them, arguments, and what a pointer is equal to.
#include "prelude.h"

typedef u64 (*Operation)(u64, u64);

static KEEP u64 add(u64 left, u64 right) {
    return left + right;
}
static KEEP u64 subtract(u64 left, u64 right) {
    return left - right;
}
static KEEP u64 exclusive(u64 left, u64 right) {
    return left ^ right;
}
static KEEP u64 rotate(u64 left, u64 right) {
#if UPDATED
    right &= 63;
    return right ? left << right | left >> (64 - right) : left;
#else
    return left << (right & 63) | left >> (63 - (right & 63));
#endif
}
static KEEP u64 multiply(u64 left, u64 right) {
    return left * (right | 1);
}
#if UPDATED
static KEEP u64 limited(u64 left, u64 right) {
    return left > right ? right : left;
}
#endif

static const Operation kOperations[] = {add, subtract, exclusive, rotate, multiply};

/// Whether an address is that of rotate(), which the update changes.
static KEEP int is_rotate(Operation operation) {
    return operation == rotate;
}

static KEEP u64 fold(Operation operation, const u8* bytes, u64 value) {
    for (u32 i = 0; i < 64; ++i)
        value = operation(value, bytes[i]);
    return value;
}

RUN(run_table) {
    u64 value = a;
    for (u32 i = 0; i < 100; ++i)
        value = kOperations[buffer[i] % COUNT(kOperations)](value, b + i);
#if UPDATED
    const Operation last = b & 1 ? limited : rotate;
    value = last(value, a) + 1;
#endif
    return value;
}

RUN(run_fold) {
    return fold(rotate, buffer, a) ^ fold(exclusive, buffer + 64, b);
}

RUN(run_identity) {
    u32 rotates = 0;
    for (u32 i = 0; i < 4; ++i)
        rotates = rotates << 1 | (u32)is_rotate(kOperations[i]);
#if UPDATED
    return rotates + (u64)is_rotate(a & 1 ? rotate : multiply) * 100 + (b & buffer[0]);
#else
    return rotates + 1000;
#endif
}

RUN(run_chosen) {
    Operation chosen = a & 1 ? multiply : a & 2 ? add : subtract;
    return chosen(b, buffer[3]);
}
