// What a trigger and the program that pulls it (main.c) have in common.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

/// Does what the fix is about with the library, and puts what can be seen of it into `line`: another text with the
/// baseline than with the fixed library.
void trigger(HMODULE library, char* line, size_t size);

/// An exported function as a pointer of the given type; ends the program where it is not exported.
void* need(HMODULE library, const char* name);
#define NEED(type, name) ((type)need(library, name))

/// The heap that the C library which the libraries use (msvcrt.dll) allocates from.
HANDLE library_heap(void);
