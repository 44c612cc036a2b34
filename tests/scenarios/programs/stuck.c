/* A program whose main thread never leaves a function that the update (-DUPDATED=1) changes. */
#include <windows.h>

static volatile LONG turns;

__attribute__((noinline)) static void never_leaves(void) {
    for (;;) {
        InterlockedExchangeAdd(&turns, UPDATED ? 2 : 1);
        Sleep(1);
    }
}

int main(void) {
    DWORD written;
    WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), "running\n", 8, &written, NULL);
    never_leaves();
    return 0;
}
