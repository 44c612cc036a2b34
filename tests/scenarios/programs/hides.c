/* A program that spoils something of itself which suture reads, by its first argument: of the DLL that the second
   argument names, "pages" makes every page inaccessible, "headers" the first, "sizes" makes its headers tell of
   sections that are not there, and "claim" has the loader tell of a size that it has not; of the loader's list of
   modules, "list" breaks a link, "loop" leads it into itself, and "endless" makes it longer than any list is. */
#include <stdio.h>
#include <string.h>
#include <windows.h>
#include <winternl.h>

static LIST_ENTRY* load_order(void) {
    PEB* peb;
    /* TEB.ProcessEnvironmentBlock */
#ifdef __aarch64__
    __asm__("ldr %0, [x18, #0x60]" : "=r"(peb));
#else
    __asm__("movq %%gs:0x60, %0" : "=r"(peb));
#endif
    return &peb->Ldr->InMemoryOrderModuleList - 1; /* the one in load order */
}

static IMAGE_NT_HEADERS* headers_of(HMODULE module) {
    IMAGE_NT_HEADERS* headers = (IMAGE_NT_HEADERS*)((char*)module + ((IMAGE_DOS_HEADER*)module)->e_lfanew);
    DWORD before;
    VirtualProtect(module, 0x1000, PAGE_READWRITE, &before);
    return headers;
}

static void hide_headers(HMODULE module) {
    DWORD before;
    VirtualProtect(module, 0x1000, PAGE_NOACCESS, &before);
}

static void lie_of_sizes(HMODULE module) {
    IMAGE_NT_HEADERS* headers = headers_of(module);
    IMAGE_SECTION_HEADER* section = IMAGE_FIRST_SECTION(headers);
    for (int i = 0; i < headers->FileHeader.NumberOfSections; ++i)
        section[i].Misc.VirtualSize = 0xfffff000u - section[i].VirtualAddress;
    headers->OptionalHeader.SizeOfImage = 0xfffff000u;
    headers->OptionalHeader.SizeOfHeaders = 0xffffffffu;
}

/* LDR_DATA_TABLE_ENTRY: DllBase at 0x30, SizeOfImage at 0x40. */
static void claim(HMODULE module) {
    LIST_ENTRY* head = load_order();
    for (LIST_ENTRY* at = head->Flink; at != head; at = at->Flink)
        if (*(HMODULE*)((char*)at + 0x30) == module)
            *(DWORD*)((char*)at + 0x40) = 0x7ffff000u;
}

static void lead_into_itself(void) {
    LIST_ENTRY* head = load_order();
    head->Flink->Flink->Flink = head->Flink;
}

/* Every link of it is sound. */
static void make_endless(void) {
    enum { kEntry = 0x100, kCount = 100000 };
    LIST_ENTRY* head = load_order();
    LIST_ENTRY* last = head->Blink;
    char* entries = VirtualAlloc(NULL, (SIZE_T)kEntry * kCount, MEM_COMMIT, PAGE_READWRITE);
    for (int i = 0; i < kCount; ++i) {
        LIST_ENTRY* entry = (LIST_ENTRY*)(entries + (SIZE_T)i * kEntry);
        memcpy(entry, head->Flink, kEntry);
        entry->Blink = last;
        last = last->Flink = entry;
    }
    last->Flink = head;
    head->Blink = last;
}

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
    load_order()->Flink->Blink = NULL;
}

int main(int argc, char** argv) {
    const char* what = argc > 1 ? argv[1] : "";
    HMODULE module = argc > 2 ? LoadLibraryA(argv[2]) : NULL;
    DWORD written;
    if (strcmp(what, "pages") == 0)
        hide_pages(module);
    else if (strcmp(what, "headers") == 0)
        hide_headers(module);
    else if (strcmp(what, "sizes") == 0)
        lie_of_sizes(module);
    else if (strcmp(what, "claim") == 0)
        claim(module);
    else if (strcmp(what, "loop") == 0)
        lead_into_itself();
    else if (strcmp(what, "endless") == 0)
        make_endless();
    else if (strcmp(what, "list") == 0)
        break_list();
    WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), "running\n", 8, &written, NULL);
    Sleep(INFINITE);
    return 0;
}
