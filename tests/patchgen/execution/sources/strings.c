// Functions on text, and a static table of strings.
#include "prelude.h"

static const char* const kMonths[] = {"January", "February", "March",     "April",   "May",      "June",
#if UPDATED
                                      "July",    "August",   "September", "Octobre", "November", "December"};
#else
                                      "July",    "August",   "September", "October", "November", "December"};
#endif
static const char* const kColours[] = {"red", "green", "blue", "white"};

static KEEP u64 length_of(const char* text) {
    u64 length = 0;
    while (text[length])
        ++length;
    return length;
}

static KEEP int matches(const char* pattern, const char* text) {
    for (; *pattern; ++pattern, ++text) {
        if (*pattern == '*') {
            for (;; ++text) {
                if (matches(pattern + 1, text))
                    return 1;
                if (!*text)
                    return 0;
            }
        }
        if (*pattern != *text && *pattern != '?')
            return 0;
    }
    return !*text;
}

RUN(run_months) {
    const char* month = kMonths[a % COUNT(kMonths)];
    host_text(month);
    memcpy(buffer, month, length_of(month) + 1);
    return length_of(kMonths[b % COUNT(kMonths)]);
}

RUN(run_colours) {
    return host_text(kColours[a & 3]) + length_of(kColours[b & 3]) + buffer[1];
}

RUN(run_wildcards) {
    char pattern[8], text[12];
    for (u32 i = 0; i < 7; ++i)
        pattern[i] = "ab*?"[buffer[i] & 3];
    for (u32 i = 0; i < 11; ++i)
        text[i] = "ab"[buffer[i + 16] & 1];
    pattern[a & 7] = 0;
    pattern[7] = 0;
    text[b % 12] = 0;
    text[11] = 0;
    return (u64)matches(pattern, text);
}

RUN(run_hex) {
    u32 written = 0;
#if UPDATED
    const u32 room = 128;
    for (u32 i = 0; i < 100 && written + 3 <= room; ++i) {
        buffer[128 + written++] = (u8) "0123456789ABCDEF"[buffer[i] >> 4];
        buffer[128 + written++] = (u8) "0123456789ABCDEF"[buffer[i] & 15];
    }
#else
    for (u32 i = 0; i < 20; ++i) {
        buffer[128 + written++] = (u8) "0123456789abcdef"[buffer[i] >> 4];
        buffer[128 + written++] = (u8) "0123456789abcdef"[buffer[i] & 15];
    }
#endif
    buffer[128 + written] = 0;
    return host_text((const char*)buffer + 128) + a - b;
}

RUN(run_reverse) {
    for (u32 i = 0, j = (u32)(a & 0xff); i < j; ++i, --j) {
        const u8 kept = buffer[i];
        buffer[i] = buffer[j];
        buffer[j] = kept;
    }
    return buffer[b & 0xff];
}
