#pragma once

#include "samples/support/text.h"

#include <windows.h>

// What a program without a C runtime needs: its options, its output, its end.

// Ends the process where the command line has a word that is none of the names, nor the value after one of them.
void require_options(const char* const* names, size_t count);
// The word after `--name` on the command line, copied to `value`, or FALSE where there is none.
BOOL option_text(const char* name, char* value, size_t capacity);
// The same as a decimal number, or `otherwise`.
uint32_t option_number(const char* name, uint32_t otherwise);

// Writes the text to the file handle. FALSE: not all of it was written.
BOOL write_text(HANDLE file, const Text* text);
// Replaces the file's content in one step, so that whoever waits for the file never reads half of it.
BOOL replace_file(const char* path, const Text* text);
// Says on standard error what failed, with the OS's error number, and ends the process with exit code 1.
void fail(const char* what) __attribute__((noreturn));
