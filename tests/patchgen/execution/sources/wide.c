// 64-bit arithmetic and loops.
#include "prelude.h"

static KEEP u64 high_product(u64 left, u64 right) {
    const u64 lh = (left & 0xffffffff) * (right >> 32);
    const u64 hl = (left >> 32) * (right & 0xffffffff), hh = (left >> 32) * (right >> 32);
#if UPDATED
    const u64 ll = (left & 0xffffffff) * (right & 0xffffffff);
    const u64 middle = (ll >> 32) + (lh & 0xffffffff) + (hl & 0xffffffff);
    return hh + (lh >> 32) + (hl >> 32) + (middle >> 32);
#else
    return hh + (lh >> 32) + (hl >> 32);
#endif
}

static KEEP u64 power(u64 base, u64 exponent, u64 modulus) {
    u64 result = 1;
    base %= modulus;
    for (; exponent; exponent >>= 1) {
        if (exponent & 1)
            result = result * base % modulus;
        base = base * base % modulus;
    }
    return result;
}

RUN(run_product) {
    u64 sum = 0;
    for (u32 i = 0; i < 256; i += 8) {
        u64 word;
        memcpy(&word, buffer + i, 8);
        sum ^= high_product(word, a + i);
    }
    return sum + b;
}

RUN(run_power) {
#if UPDATED
    return power(a, b & 0xffff, 0xfffffffb) + power(b, a & 0xff, 65537);
#else
    return power(a, b & 0xff, 0xfffffffb);
#endif
}

RUN(run_divide) {
    const i64 left = (i64)a, right = (i64)(b % 1000) + 1;
#if UPDATED
    return (u64)(left / right * 7 + left % 1000 - left / 10);
#else
    return (u64)(left / right + left % 1000 - left / 7);
#endif
}

RUN(run_matrix) {
    u32 product[4][4] = {{0}};
    for (u32 i = 0; i < 4; ++i)
        for (u32 j = 0; j < 4; ++j)
            for (u32 k = 0; k < 4; ++k)
                product[i][j] += (u32)buffer[i * 4 + k] * buffer[16 + k * 4 + j];
    memcpy(buffer + 32, product, sizeof(product));
    return product[a & 3][b & 3];
}

RUN(run_bits) {
    u64 x = a;
    x = x - (x >> 1 & 0x5555555555555555);
    x = (x & 0x3333333333333333) + (x >> 2 & 0x3333333333333333);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f;
    u32 zeros = 0;
#if UPDATED
    while (zeros < 64 && !(b >> zeros & 1))
        ++zeros;
#else
    while (zeros < 32 && !(b >> zeros & 1))
        ++zeros;
#endif
    return (x * 0x0101010101010101 >> 56) * 100 + zeros + buffer[0];
}
