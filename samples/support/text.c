#include "samples/support/text.h"

void text_append(Text* text, const char* string) {
    while (*string && text->size < text->capacity)
        text->data[text->size++] = *string++;
}

void text_append_number(Text* text, uint64_t value) {
    char digits[21];
    size_t at = sizeof digits - 1;
    digits[at] = 0;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    text_append(text, digits + at);
}

void text_append_string_field(Text* text, const char* name, const char* string) {
    text_append(text, " ");
    text_append(text, name);
    text_append(text, "=");
    text_append(text, string);
}

void text_append_field(Text* text, const char* name, uint64_t value) {
    text_append_string_field(text, name, "");
    text_append_number(text, value);
}
