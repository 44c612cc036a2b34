// The half of throws.exe that needs __try, which GCC does not have.
#include "throws.h"

#include <windows.h>

enum { kRaised = 0xe0505553 };

void raise_value(int value) {
    ULONG_PTR arguments[1] = {(ULONG_PTR)value};
    RaiseException((DWORD)kRaised, 0, 1, arguments);
}

static int is_raised(EXCEPTION_POINTERS* pointers, int* value) {
    const EXCEPTION_RECORD* record = pointers->ExceptionRecord;
    if (record->ExceptionCode != (DWORD)kRaised || record->NumberParameters != 1)
        return EXCEPTION_CONTINUE_SEARCH;
    *value = (int)record->ExceptionInformation[0];
    return EXCEPTION_EXECUTE_HANDLER;
}

static int is_fault(EXCEPTION_POINTERS* pointers, int* value) {
    const EXCEPTION_RECORD* record = pointers->ExceptionRecord;
    if (record->ExceptionCode != EXCEPTION_ACCESS_VIOLATION || record->NumberParameters < 2)
        return EXCEPTION_CONTINUE_SEARCH;
    *value = (int)record->ExceptionInformation[1];
    return EXCEPTION_EXECUTE_HANDLER;
}

KEPT_OUT_OF_LINE int catch_raised(int (*function)(int), int value) {
    volatile int got = -1;
    __try {
        function(value);
    } __except (is_raised(GetExceptionInformation(), (int*)&got)) {
    }
    return got;
}

KEPT_OUT_OF_LINE int catch_fault(int (*function)(int), int value) {
    volatile int got = -1;
    __try {
        function(value);
    } __except (is_fault(GetExceptionInformation(), (int*)&got)) {
    }
    return got;
}

#ifdef WITH_SEH
__thread int finally_ran;

KEPT_OUT_OF_LINE int seh_in(int value) {
    volatile int got = -1;
    __try {
        raise_value(value);
    } __except (is_raised(GetExceptionInformation(), (int*)&got)) {
        got += NEW;
    }
    return got;
}

KEPT_OUT_OF_LINE int seh_finally(int value) {
    volatile int kept = value;
    __try {
        raise_value(kept);
    } __finally {
        finally_ran = kept + NEW;
    }
    return -1;
}
#endif
