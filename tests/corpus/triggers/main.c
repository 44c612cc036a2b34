// Loads a library and pulls a trigger on it several times a second, each time with a line of what was seen:
//     main.exe LIBRARY      until it is ended
// A fault inside the trigger is a line too, and the program goes on.
#include "trigger.h"

static CONTEXT recovery;
static volatile DWORD fault;

static LONG CALLBACK on_exception(EXCEPTION_POINTERS* exception) {
    if (exception->ExceptionRecord->ExceptionCode != EXCEPTION_ACCESS_VIOLATION)
        return EXCEPTION_CONTINUE_SEARCH;
    fault = exception->ExceptionRecord->ExceptionCode;
    *exception->ContextRecord = recovery;
    return EXCEPTION_CONTINUE_EXECUTION;
}

void* need(HMODULE library, const char* name) {
    void* function = (void*)GetProcAddress(library, name);
    if (!function) {
        printf("%s is not exported\n", name);
        fflush(stdout);
        ExitProcess(1);
    }
    return function;
}

HANDLE library_heap(void) {
    return (HANDLE)((intptr_t(*)(void))need(GetModuleHandleA("msvcrt.dll"), "_get_heap_handle"))();
}

__attribute__((noinline)) static void pull(HMODULE library, char* line, size_t size) {
    fault = 0;
    RtlCaptureContext(&recovery); // where it goes on after a fault
    if (fault == 0)
        trigger(library, line, size);
    else
        snprintf(line, size, "fault 0x%lx", fault);
    __asm__ volatile(""); // no tail call: the frame must still be there
}

int main(int count, char** arguments) {
    const HMODULE library = count == 2 ? LoadLibraryA(arguments[1]) : NULL;
    if (!library) {
        printf("cannot load: error %lu\n", GetLastError());
        return 1;
    }
    AddVectoredExceptionHandler(1, on_exception);
    for (;;) {
        char line[1024] = "";
        pull(library, line, sizeof(line));
        printf("%s\n", line);
        fflush(stdout);
        Sleep(50);
    }
}
