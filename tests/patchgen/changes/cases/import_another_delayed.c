// expect: package sleep_or_wait
// flags: -Wl,-delayload:kernel32.dll
#include "../case.h"

__declspec(dllimport) int __stdcall GetTickCount(void);
__declspec(dllimport) int __stdcall GetLastError(void);

void *__delayLoadHelper2(const void *descriptor, void **slot) {
    return *slot = (char *)slot + (descriptor != 0);
}
EXPORT int sleep_or_wait(void) {
#if UPDATED
    return GetLastError();
#else
    return GetTickCount();
#endif
}
EXPORT int other(void) {
    return GetLastError() + GetTickCount();
}
