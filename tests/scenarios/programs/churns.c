/* Loads and unloads the DLL that its argument names, again and again, while it writes to churns.txt that it runs. */
#include <windows.h>

static DWORD WINAPI churn(void* name) {
    while (name) {
        HMODULE module = LoadLibraryA(name);
        Sleep(3);
        if (module)
            FreeLibrary(module);
        Sleep(1);
    }
    return 0;
}

int main(int argc, char** argv) {
    HANDLE lines =
        CreateFileA("churns.txt", FILE_APPEND_DATA, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, CREATE_ALWAYS, 0, NULL);
    if (argc > 1)
        CreateThread(NULL, 0, churn, argv[1], 0, NULL);
    for (;;) {
        DWORD done;
        WriteFile(lines, "running\n", 8, &done, NULL);
        Sleep(20);
    }
}
