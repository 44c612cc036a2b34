// What comes before main() where there is no C runtime to be linked in: only msvcrt.dll's part of it.
#include <windows.h>

int main(int argc, char** argv, char** envp);
int __getmainargs(int* argc, char*** argv, char*** envp, int expand, int* mode);
__declspec(noreturn) void exit(int code);
int _vsnprintf(char* to, size_t size, const char* format, __builtin_va_list arguments);
void __main(void) {}
// What MinGW's snprintf() is made of.
int __ms_vsnprintf(char* to, size_t size, const char* format, __builtin_va_list arguments) {
    return _vsnprintf(to, size, format, arguments);
}

// Touches each page of a frame of x15 * 16 bytes, as frames of more than a page need it.
__asm__(".text\n.globl __chkstk\n__chkstk:\n"
        " lsl x16, x15, #4\n mov x17, sp\n"
        "1: sub x17, x17, #4096\n subs x16, x16, #4096\n ldr xzr, [x17]\n b.gt 1b\n ret\n");

// The TLS directory: callbacks lie between the sections of these names.
__attribute__((section(".CRT$XLA"), used)) static const PIMAGE_TLS_CALLBACK first_callback = NULL;
__attribute__((section(".CRT$XLZ"), used)) static const PIMAGE_TLS_CALLBACK last_callback = NULL;
ULONG _tls_index;
__attribute__((used)) const IMAGE_TLS_DIRECTORY64 _tls_used = {
    .AddressOfIndex = (ULONGLONG)&_tls_index,
    .AddressOfCallBacks = (ULONGLONG)(&first_callback + 1),
};

void program_start(void) {
    int argc = 0;
    int mode = 0;
    char** argv = NULL;
    char** envp = NULL;
    __getmainargs(&argc, &argv, &envp, 0, &mode);
    exit(main(argc, argv, envp));
}
