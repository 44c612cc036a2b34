// What the sources of the pairs share: freestanding C for DLLs without a C library.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;
typedef long long i64;

/// Every exported function has this form: 256 bytes that it may change, and two numbers.
#define RUN(name) __declspec(dllexport) u64 name(u8* buffer, u64 a, u64 b)
#define KEEP __attribute__((noinline))
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/// Functions that the test answers and records.
__declspec(dllimport) u64 host_note(u64 a, u64 b);
__declspec(dllimport) u64 host_ask(u64 question);
__declspec(dllimport) u64 host_text(const char* text);

int _fltused;

void* memset(void* to, int value, u64 size) {
    for (u64 i = 0; i < size; ++i)
        ((volatile u8*)to)[i] = (u8)value;
    return to;
}

void* memcpy(void* to, const void* from, u64 size) {
    for (u64 i = 0; i < size; ++i)
        ((volatile u8*)to)[i] = ((const u8*)from)[i];
    return to;
}
