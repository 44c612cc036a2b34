/* A program that spoils something of itself which suture reads, by its first argument: "pages" makes every page of the
   DLL that the second argument names inaccessible, "list" breaks the loader's list of modules. */
#include <stdio.h>
#include <string.h>
#include <windows.h>
#include <winternl.h>

static void hide_pages(HMODULE module) {
    const char* base = (const char*)module;
    const IMAGE_NT_HEADERS* headers = (const IMAGE_NT_HEADERS*)(base + ((const IMAGE_DOS_HEADER*)base)->e_lfanew);
    const char* end = base + headers->OptionalHeader.SizeOfImage;
    MEMORY_BASIC_INFORMATION information;
    for (const char* at = base; at < end; at += information.RegionSize) {
        DWORD before;
        if (!VirtualQuery(at, &information, sizeof information))
            return;
        VirtualProtect(information.BaseAddress, information.RegionSize, PAGE_NOACCESS, &before);
    }
}

static void break_list(void) {
    PEB* peb;
    __asm__("movq %%gs:0x60, %0" : "=r"(peb));                 /* TEB.ProcessEnvironmentBlock */
    LIST_ENTRY* head = &peb->Ldr->InMemoryOrderModuleList - 1; /* the one in load order */
    head->Flink->Blink = NULL;
}

int main(int argc, char** argv) {
    DWORD written;
    if (argc > 2 && strcmp(argv[1], "pages") == 0)
        hide_pages(LoadLibraryA(argv[2]));
    else
        break_list();
    WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), "running\n", 8, &written, NULL);
    Sleep(INFINITE);
    return 0;
}
