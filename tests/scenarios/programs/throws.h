// What both halves of throws.exe know of each other.
#pragma once

#define KEPT_OUT_OF_LINE __attribute__((noinline))
#define NEW (UPDATED ? 1000 : 0)

#ifdef __cplusplus
extern "C" {
#endif

// Of code that never changes. What `function` raises is caught; gives what `raise_value()` was told, or -1.
int catch_raised(int (*function)(int), int value);
void raise_value(int value);
// The address whose access by `function` is a fault; or -1.
int catch_fault(int (*function)(int), int value);

// These change with the update. Only compilers that have __try make them.
int seh_in(int value);
int seh_finally(int value);
extern __thread int finally_ran;

#ifdef __cplusplus
}
#endif
