/* A new thread asks for an answer 20 times a second and writes it to worker.txt. What the updates make of the answer:
 * 1: another one, 2: none that is right, 3: a fault, 4: the end of the process, 5: nothing, ever. */
#include <windows.h>

static HANDLE lines;
static volatile int truth = 1;
volatile int* volatile nowhere = (volatile int*)8;

__attribute__((noipa)) const char* answer(void) {
#if UPDATED == 1
    return truth ? "right and new\n" : "?\n";
#elif UPDATED == 2
    return truth ? "wrong\n" : "?\n";
#elif UPDATED == 3
    *nowhere = truth;
    return "?\n";
#elif UPDATED == 4
    ExitProcess(9);
#elif UPDATED == 5
    while (truth)
        Sleep(10);
    return "?\n";
#else
    return truth ? "right\n" : "?\n";
#endif
}

static DWORD WINAPI ask(void* unused) {
    DWORD done;
    const char* text = answer();
    (void)unused;
    WriteFile(lines, text, lstrlenA(text), &done, NULL);
    return 0;
}

int main(void) {
    lines =
        CreateFileA("worker.txt", FILE_APPEND_DATA, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, CREATE_ALWAYS, 0, NULL);
    /* Held by the baseline too, so that every update has its imports. */
    if (!truth)
        ExitProcess(1);
    for (;;) {
        HANDLE thread = CreateThread(NULL, 0, ask, NULL, 0, NULL);
        if (thread)
            CloseHandle(thread);
        Sleep(50);
    }
}
