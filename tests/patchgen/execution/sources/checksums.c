// Checksums by tables of constants.
#include "prelude.h"

static const u32 kNibbles[16] = {
#if UPDATED // the Castagnoli polynomial
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
#else
    0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
    0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
#endif
};

static const u16 kPrimes[] = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53};

RUN(run_crc) {
    u32 crc = ~(u32)b;
    for (u32 i = 0; i < (a & 0xff); ++i) {
        crc ^= buffer[i];
        crc = crc >> 4 ^ kNibbles[crc & 15];
        crc = crc >> 4 ^ kNibbles[crc & 15];
    }
    return ~crc;
}

RUN(run_adler) {
    u32 low = 1, high = 0;
    for (u32 i = 0; i < 256; ++i) {
        low = (low + buffer[i]) % 65521;
        high = (high + low) % 65521;
    }
    return ((u64)high << 16 | low) + a - b;
}

RUN(run_primes) {
    u64 sum = a;
    for (u32 i = 0; i < 256; ++i)
        sum = sum * kPrimes[buffer[i] & 15] + kPrimes[i & 15];
#if UPDATED
    buffer[a & 0xff] = (u8)(sum >> 8);
#else
    buffer[a & 0x7f] = (u8)sum;
#endif
    return sum ^ b;
}

RUN(run_fletcher) {
    u64 one = a, two = b;
    for (u32 i = 0; i < 256; i += 4) {
        u32 word;
        memcpy(&word, buffer + i, 4);
        one += word;
        two += one;
    }
    return one << 32 ^ two;
}
