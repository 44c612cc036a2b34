// Floating point: constants, conversions, comparisons, vectors.
#include "prelude.h"

static double fraction(u64 bits) {
    return (double)(i64)(bits & 0xffffffffffff) / 281474976710656.0;
}

static u64 bits_of(double value) {
    u64 bits;
    memcpy(&bits, &value, 8);
    return bits;
}

static const double kSeries[] = {1.0, -0.16666666666666666, 0.008333333333333333, -0.0001984126984126984,
#if UPDATED
                                 2.7557319223985893e-06};
#else
                                 2.75e-06};
#endif

static KEEP double root(double value) {
    double guess = value > 1 ? value : 1;
#if UPDATED
    for (u32 i = 0; i < 40; ++i)
#else
    for (u32 i = 0; i < 6; ++i)
#endif
        guess = (guess + value / guess) * 0.5;
    return guess;
}

static KEEP float blend(float left, float right, float share) {
    return left * (1.0f - share) + right * share;
}

RUN(run_sine) {
    const double x = fraction(a), square = x * x;
    double sum = 0, power = x;
    for (u32 i = 0; i < COUNT(kSeries); ++i) {
        sum += kSeries[i] * power;
        power *= square;
    }
    return bits_of(sum) + (b & buffer[0]);
}

RUN(run_root) {
    return bits_of(root(fraction(a) * 1000.0)) ^ bits_of(root(fraction(b)));
}

RUN(run_blend) {
    float values[16];
    for (u32 i = 0; i < 16; ++i)
        values[i] = blend((float)buffer[i], (float)buffer[i + 16], (float)fraction(a));
#if UPDATED
    values[b & 15] *= 1.0625f;
#else
    values[b & 15] *= 1.25f;
#endif
    memcpy(buffer + 64, values, sizeof(values));
    return (u64)(i64)(values[3] * 16.0f);
}

RUN(run_mean) {
    double sum = 0, most = -1e300;
    for (u32 i = 0; i < 256; ++i) {
        const double value = (double)(signed char)buffer[i] * 0.01 + (double)(a & 7);
        sum += value;
        if (value > most)
            most = value;
    }
    return bits_of(sum / 256.0) ^ bits_of(most) ^ (b & 1);
}
