// An expression evaluator and a reader of settings.
#include "prelude.h"

typedef struct {
    const u8* at;
    const u8* end;
    const char* error;
    u32 depth;
} Reader;

static i64 expression(Reader* reader);

static u8 peek(const Reader* reader) {
    return reader->at < reader->end ? (u8)("0123456789+-*()/%~ 7"[*reader->at % 20]) : 0;
}

static KEEP i64 primary(Reader* reader) {
#if UPDATED
    if (reader->depth > 12) {
        reader->error = "too deep";
        return -1;
    }
#endif
    if (peek(reader) == '(') {
        ++reader->at;
        ++reader->depth;
        const i64 value = expression(reader);
        --reader->depth;
        if (peek(reader) != ')')
            reader->error = "unbalanced";
        else
            ++reader->at;
        return value;
    }
    if (peek(reader) == '~') {
        ++reader->at;
        return ~primary(reader);
    }
    i64 value = 0;
    while (peek(reader) >= '0' && peek(reader) <= '9')
        value = value * 10 + (peek(reader) - '0'), ++reader->at;
    return value;
}

static KEEP i64 term(Reader* reader) {
    i64 value = primary(reader);
    for (;;) {
        const u8 operation = peek(reader);
        if (operation != '*' && operation != '/' && operation != '%')
            return value;
        ++reader->at;
        const i64 right = primary(reader);
        if (operation == '*')
            value = (i64)((u64)value * (u64)right);
#if UPDATED
        else if (right == 0 || right == -1)
            reader->error = "bad divisor";
#else
        else if (right == 0 || right == -1)
            value = 0;
#endif
        else
            value = operation == '/' ? value / right : value % right;
    }
}

static KEEP i64 expression(Reader* reader) {
    i64 value = term(reader);
    while (peek(reader) == '+' || peek(reader) == '-') {
        const u8 operation = peek(reader);
        ++reader->at;
        const i64 right = term(reader);
        value = (i64)(operation == '+' ? (u64)value + (u64)right : (u64)value - (u64)right);
    }
    return value;
}

RUN(run_expression) {
    Reader reader = {buffer, buffer + (a & 0xff), 0, 0};
    const i64 value = expression(&reader);
    if (reader.error)
        host_text(reader.error);
    host_note((u64)(reader.at - buffer), b);
    return (u64)value;
}

RUN(run_settings) {
    u32 found = 0, key = 0;
    for (u32 i = 0; i < 255; ++i) {
        if (buffer[i] < 32) {
            key = i + 1;
        } else if (buffer[i] == '=' || buffer[i] > 0xc0) {
#if UPDATED
            if (i - key > 40 || key > i)
                continue;
#endif
            found = found * 31 + (i - key) + buffer[key];
            key = i + 1;
        }
    }
    return found ^ a ^ b;
}
