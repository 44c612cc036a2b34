// What comes before main() where there is no C runtime to be linked in, and what is used of one. Of msvcrt.dll only
// what takes no variable arguments: those of Wine's follow the rules of Linux where it is built as Debian builds it.
#include <stdarg.h>
#include <windows.h>

int main(int argc, char** argv, char** envp);
int __getmainargs(int* argc, char*** argv, char*** envp, int expand, int* mode);
__declspec(noreturn) void exit(int code);
size_t fwrite(const void* bytes, size_t size, size_t count, void* file);
void __main(void) {}

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

typedef struct {
    char* at;
    char* end;
} Output;

static void put(Output* output, char c) {
    if (output->at < output->end)
        *output->at++ = c;
}

static void put_number(Output* output, unsigned long long value, unsigned base) {
    if (value >= base)
        put_number(output, value / base, base);
    put(output, "0123456789abcdef"[value % base]);
}

// %s, %c, and d, u and x with l and ll.
int __ms_vsnprintf(char* to, size_t size, const char* format, va_list arguments) {
    Output output = {to, to + size - 1};
    for (; *format; ++format) {
        if (*format != '%') {
            put(&output, *format);
            continue;
        }
        int longs = 0;
        while (*++format == 'l')
            ++longs;
        if (*format == 's') {
            for (const char* text = va_arg(arguments, const char*); *text; ++text)
                put(&output, *text);
        } else if (*format == 'c') {
            put(&output, (char)va_arg(arguments, int));
        } else if (*format == 'd') {
            long long value = longs > 1 ? va_arg(arguments, long long) : va_arg(arguments, int); // long is 32 bits wide
            if (value < 0)
                put(&output, '-');
            put_number(&output, value < 0 ? 0 - (unsigned long long)value : (unsigned long long)value, 10);
        } else {
            unsigned long long value = longs > 1 ? va_arg(arguments, unsigned long long) : va_arg(arguments, unsigned);
            put_number(&output, value, *format == 'x' ? 16 : 10);
        }
    }
    *output.at = 0;
    return (int)(output.at - to);
}

int fprintf(void* file, const char* format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int size = __ms_vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fwrite(text, 1, (size_t)size, file);
    return size;
}

static int print(char* to, const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int size = __ms_vsnprintf(to, 1024, format, arguments);
    va_end(arguments);
    return size;
}
// As a function of another module is called.
int (*__imp_wsprintfA)(char*, const char*, ...) = print;
