/* Says what its function answers as soon as it is loaded. */
#include <windows.h>

__attribute__((noipa, dllexport)) int dll_answer(void) {
#if UPDATED
    return 4;
#else
    return 3;
#endif
}

BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, LPVOID reserved) {
    (void)module, (void)reserved;
    if (reason == DLL_PROCESS_ATTACH) {
        char line[] = "dll 0\n";
        DWORD done;
        line[4] = (char)('0' + dll_answer());
        WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), line, sizeof line - 1, &done, NULL);
    }
    return TRUE;
}
