#pragma once

#include <stddef.h>
#include <stdint.h>

// Text built up in a buffer of the caller's. What does not fit is left out. No terminating zero.
typedef struct Text {
    char* data;
    size_t size;
    size_t capacity;
} Text;

void text_append(Text* text, const char* string);
void text_append_number(Text* text, uint64_t value);
// Appends " name=value".
void text_append_field(Text* text, const char* name, uint64_t value);
// Appends " name=string".
void text_append_string_field(Text* text, const char* name, const char* string);
