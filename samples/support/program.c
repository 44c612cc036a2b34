#include "samples/support/program.h"

static BOOL same_text(const char* left, const char* right) {
    while (*left && *left == *right)
        ++left, ++right;
    return *left == *right;
}

// Takes the next word of the command line; words with spaces stand in double quotes.
static const char* next_word(const char* line, char* word, size_t capacity) {
    size_t size = 0;
    BOOL quoted = FALSE;
    while (*line == ' ' || *line == '\t')
        ++line;
    if (!*line)
        return NULL;
    for (; *line && (quoted || (*line != ' ' && *line != '\t')); ++line) {
        if (*line == '"')
            quoted = !quoted;
        else if (size + 1 < capacity)
            word[size++] = *line;
    }
    word[size] = 0;
    return line;
}

void require_options(const char* const* names, size_t count) {
    char word[MAX_PATH];
    const char* line = next_word(GetCommandLineA(), word, sizeof word); // the program
    while (line && (line = next_word(line, word, sizeof word))) {
        size_t at = 0;
        while (at < count && !same_text(word, names[at]))
            ++at;
        if (at == count || !(line = next_word(line, word, sizeof word)))
            fail("an option that is not known, or has no value");
    }
}

BOOL option_text(const char* name, char* value, size_t capacity) {
    char word[MAX_PATH];
    const char* line = GetCommandLineA();
    while ((line = next_word(line, word, sizeof word)))
        if (same_text(word, name))
            return next_word(line, value, capacity) != NULL;
    return FALSE;
}

uint32_t option_number(const char* name, uint32_t otherwise) {
    char word[16];
    uint32_t value = 0;
    if (!option_text(name, word, sizeof word))
        return otherwise;
    for (const char* digit = word; *digit; ++digit) {
        if (*digit < '0' || *digit > '9')
            fail("an option that is not a number");
        value = value * 10 + (uint32_t)(*digit - '0');
    }
    return value;
}

BOOL write_text(HANDLE file, const Text* text) {
    DWORD written = 0;
    return WriteFile(file, text->data, (DWORD)text->size, &written, NULL) && written == text->size;
}

BOOL replace_file(const char* path, const Text* text) {
    char aside[MAX_PATH + 8];
    Text name = {aside, 0, sizeof aside - 1};
    text_append(&name, path);
    text_append(&name, ".new");
    aside[name.size] = 0;
    HANDLE file = CreateFileA(aside, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
    if (file == INVALID_HANDLE_VALUE)
        return FALSE;
    BOOL written = write_text(file, text);
    CloseHandle(file);
    return written && MoveFileExA(aside, path, MOVEFILE_REPLACE_EXISTING);
}

void fail(const char* what) {
    char line[160];
    Text text = {line, 0, sizeof line};
    DWORD error = GetLastError();
    text_append(&text, "failed: ");
    text_append(&text, what);
    text_append_field(&text, "error", error);
    text_append(&text, "\n");
    write_text(GetStdHandle(STD_ERROR_HANDLE), &text);
    ExitProcess(1);
}
