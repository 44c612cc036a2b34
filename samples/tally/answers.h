#pragma once

#include <stdint.h>
#include <windows.h>

// The functions of tally that the update changes, and what they need. In a file of their own, as parts of a real
// program are: within one file, compilers would spread each change over its callers.

typedef int (*Operation)(int);

int clamp(int value); // unchanged
int price(int amount);
int weigh(uint32_t seed);
const char* greeting(void);
LONG audit(void);
int ticking(void);
int classify(uint32_t kind, int value);
double interest(double capital);
uint32_t paths(uint32_t steps);
int scale(int value);
int is_scale(Operation operation);
LONG64 read_calls(void); // of price(); unchanged
