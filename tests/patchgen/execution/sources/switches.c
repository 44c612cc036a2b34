// Dense switches: a byte code that is run, a state machine, a table of results.
#include "prelude.h"

RUN(run_bytecode) {
    u64 accumulator = a, other = b;
    for (u32 at = 0; at < 250; ++at) {
        switch (buffer[at] & 15) {
        case 0:
            accumulator += other;
            break;
        case 1:
            accumulator -= buffer[at + 1];
            break;
        case 2:
            accumulator *= 3;
            break;
        case 3:
            accumulator ^= other >> 3;
            break;
        case 4:
            other = accumulator;
            break;
        case 5:
            other = ~other;
            break;
        case 6:
            at += buffer[at + 1] & 3;
            break;
        case 7:
            buffer[255] ^= (u8)accumulator;
            break;
        case 8:
            accumulator = accumulator << 7 | accumulator >> 57;
            break;
        case 9:
            accumulator |= 0x100;
            break;
        case 10:
            other += host_ask(accumulator & 0xff);
            break;
#if UPDATED
        case 11:
            accumulator = accumulator / ((other & 0xff) + 1);
            break;
        case 12:
            other -= 12345;
            break;
#else
        case 11:
            accumulator = accumulator / ((other & 0xff) + 2);
            break;
#endif
        case 13:
            host_note(accumulator, other);
            break;
        default:
            accumulator ^= 0x5555;
            break;
        }
    }
    return accumulator ^ other;
}

enum { start, word, number, quoted, escaped, comment };

RUN(run_states) {
    u32 state = start, counts[6] = {0};
    for (u32 i = 0; i < 256; ++i) {
        const u8 c = buffer[i] & 0x7f;
        ++counts[state];
        switch (state) {
        case start:
            state = c >= 'a' ? word : c >= '0' && c <= '9' ? number : c < 20 ? quoted : start;
            break;
        case word:
            state = c < 'A' ? start : word;
            break;
        case number:
            state = c > '9' ? start : number;
            break;
        case quoted:
            state = c < 20 ? start : c > 100 ? escaped : quoted;
            break;
#if UPDATED
        case escaped:
            state = c == 0 ? comment : quoted;
            break;
        case comment:
            state = c < 10 ? start : comment;
            break;
#else
        case escaped:
            state = quoted;
            break;
        case comment:
            state = c < 5 ? start : comment;
            break;
#endif
        }
    }
    return counts[0] + counts[1] * 10ull + counts[2] * 1000ull + counts[3] * 77777ull + counts[4] + a * b;
}

RUN(run_days) {
    u64 total = 0;
    for (u32 i = 0; i < 64; ++i) {
        switch (buffer[i] % 14) {
        case 1:
            total += 31;
            break;
        case 2:
            total += (a & 3) == 0 ? 29 : 28;
            break;
        case 3:
            total += 31;
            break;
        case 4:
            total += 30;
            break;
        case 5:
            total ^= 31 + b;
            break;
        case 6:
            total += 30;
            break;
        case 7:
            total -= 31;
            break;
        case 8:
            total += 31;
            break;
        case 9:
            total += 30 * i;
            break;
        case 10:
            total += 31;
            break;
        case 11:
            total = total * 5 + 30;
            break;
        case 12:
            total += 31;
            break;
        default:
            total += 1000;
            break;
        }
    }
    return total;
}

static KEEP const char* name_of(u64 value) {
    switch (value & 7) {
    case 0:
        return "zero";
    case 1:
        return "one";
#if UPDATED
    case 2:
        return "a pair";
#else
    case 2:
        return "two";
#endif
    case 3:
        return "three";
    case 4:
        return "four";
    case 5:
        return "five";
    default:
        return "many";
    }
}

RUN(run_names) {
    return host_text(name_of(a)) + host_text(name_of(b)) + buffer[0];
}
