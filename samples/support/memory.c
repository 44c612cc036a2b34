// The functions that compilers call on their own, for images without a C runtime.
// Built with -fno-builtin, or the loops below would be turned into calls of themselves.
#include <stddef.h>

void* memcpy(void* to, const void* from, size_t size) {
    unsigned char* out = to;
    const unsigned char* in = from;
    while (size--)
        *out++ = *in++;
    return to;
}

void* memmove(void* to, const void* from, size_t size) {
    unsigned char* out = to;
    const unsigned char* in = from;
    if (out <= in)
        return memcpy(to, from, size);
    while (size--)
        out[size] = in[size];
    return to;
}

void* memset(void* to, int value, size_t size) {
    unsigned char* out = to;
    while (size--)
        *out++ = (unsigned char)value;
    return to;
}

int memcmp(const void* left, const void* right, size_t size) {
    const unsigned char* a = left;
    const unsigned char* b = right;
    for (; size--; ++a, ++b)
        if (*a != *b)
            return *a - *b;
    return 0;
}
