// Functions whose prologues and epilogues have every shape that the compiler makes, for walks of their stacks.
#include "prelude.h"

#include <stdarg.h>

// What frames of more than a page call first; nothing is to be done for the stack of an emulator.
__asm__(".globl __chkstk\n__chkstk:\n ret\n");

KEEP u64 leaf(u64 a) {
    return a * 3 + 1;
}

KEEP u64 plain(u64 a) {
    return leaf(a) + leaf(a + 1);
}

KEEP u64 many_registers(u64 a, u64 b) {
    u64 c = leaf(a), d = leaf(b), e = leaf(a + b), f = leaf(a ^ b), g = leaf(c), h = leaf(d);
    u64 i = leaf(e) + c, j = leaf(f) + d;
    return leaf(c + g) + leaf(d + h) + leaf(e + i) + leaf(f + j) + c * d + e * f + g * h + i * j + a + b;
}

KEEP double float_leaf(double a) {
    return a * 1.5 + 2;
}

KEEP double many_floats(double a, u64 n) {
    double b = float_leaf(a), c = float_leaf(b), d = float_leaf(c), e = float_leaf(d);
    for (u64 i = 0; i < (n & 3); ++i)
        a += float_leaf(b + (double)leaf(i)) * c + d * e;
    return a + b + c + d + e;
}

KEEP double one_float(double a) {
    return float_leaf(a) + a;
}

KEEP u64 variadic(int count, ...) {
    va_list arguments;
    u64 sum = 0;
    va_start(arguments, count);
    for (int i = 0; i < count; ++i)
        sum += leaf(va_arg(arguments, u64));
    va_end(arguments);
    return sum;
}

KEEP u64 fill(volatile u8* to, u64 size) {
    for (u64 i = 0; i < size; i += 97)
        to[i] = (u8)(i * 7);
    return to[size / 97 * 97 / 2 / 97 * 97] + leaf(size);
}

KEEP u64 frame_of_some_bytes(u64 a) {
    u8 room[600];
    return fill(room, sizeof room) + a;
}

KEEP u64 frame_of_a_page(u64 a) {
    u8 room[4200];
    return fill(room, sizeof room) + a;
}

KEEP u64 frame_of_many_pages(u64 a) {
    u8 room[70000];
    return fill(room, sizeof room) + a;
}

KEEP u64 frame_that_grows(u64 a) {
    const u64 size = 16 + (a & 0xff);
    u8 room[size];
    const u64 filled = fill(room, size);
    u8 more[size * 2];
    return filled + fill(more, size * 2) + leaf(a);
}

KEEP u64 aligned_frame(u64 a) {
    _Alignas(64) u8 room[128];
    return fill(room, sizeof room) + a;
}

KEEP u64 shrink_wrapped(u64 a, u64 b) {
    if (a & 1)
        return b;
    u64 c = leaf(a);
    if (c & 2)
        return leaf(b) + c;
    return many_registers(a, c) ^ b;
}

KEEP u64 tail_call(u64 a) {
    return leaf(a) & 1 ? plain(a) : many_registers(a, a + 1);
}

KEEP u64 recursive(u64 depth, u64 a) {
    if (depth == 0)
        return leaf(a);
    return recursive(depth - 1, a * 5) + recursive(depth / 2, a + 1) * depth;
}

KEEP u64 through_pointer(u64 (*function)(u64), u64 a) {
    return function(a) + function(a + 2);
}

KEEP u64 many_arguments(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 g, u64 h, u64 i, u64 j) {
    return leaf(a + c) + leaf(b * d) + e * f + g * h + i * j;
}

RUN(run_integers) {
    (void)buffer;
    return plain(a) + many_registers(a, b) + variadic(3, a, b, a + b) + many_arguments(a, b, 3, 4, 5, 6, 7, 8, 9, b);
}

RUN(run_floats) {
    (void)buffer;
    return (u64)(many_floats((double)(a & 7), b) + one_float((double)b));
}

RUN(run_frames) {
    (void)buffer;
    return frame_of_some_bytes(a) + frame_of_a_page(b) + frame_of_many_pages(a) + frame_that_grows(a) + aligned_frame(b);
}

RUN(run_flow) {
    (void)buffer;
    u64 sum = 0;
    for (u64 i = 0; i < 4; ++i)
        sum += shrink_wrapped(a + i, b) + tail_call(b + i);
    return sum + recursive(5, a) + through_pointer(tail_call, b) + host_ask(a);
}
