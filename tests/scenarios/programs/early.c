/* Says at each of its beginnings what its function answers: in a TLS callback, which runs first, and in main. A DLL of
 * the same kind (early_dll.c) begins before both. The exit code tells the answer too. */
#include <string.h>
#include <windows.h>

__declspec(dllimport) int dll_answer(void);

__attribute__((noipa)) int answer(void) {
#if UPDATED
    return 2;
#else
    return 1;
#endif
}

static void say(const char* what, int number) {
    char line[300];
    DWORD done;
    size_t length = strlen(what);
    memcpy(line, what, length);
    line[length] = ' ';
    line[length + 1] = (char)('0' + number);
    line[length + 2] = '\n';
    WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), line, (DWORD)length + 3, &done, NULL);
}

static void NTAPI callback(PVOID module, DWORD reason, PVOID reserved) {
    (void)module, (void)reserved;
    if (reason == DLL_PROCESS_ATTACH)
        say("callback", answer());
}
__attribute__((section(".CRT$XLY"), used)) static const PIMAGE_TLS_CALLBACK callbacks = callback;

int main(int count, char** arguments) {
    say("main", answer());
    say("dll-call", dll_answer());
    for (int i = 1; i < count; ++i)
        say(arguments[i], i);
    if (count > 1 && strcmp(arguments[1], "wait") == 0)
        Sleep(INFINITE);
    if (count > 1 && strcmp(arguments[1], "echo") == 0) {
        char text[200];
        DWORD got, done;
        while (ReadFile(GetStdHandle(STD_INPUT_HANDLE), text, sizeof text, &got, NULL) && got)
            WriteFile(GetStdHandle(STD_ERROR_HANDLE), text, got, &done, NULL);
    }
    return 40 + answer();
}
