// expect: package sleep_or_wait
#include "../case.h"

__declspec(dllimport) int __stdcall GetTickCount(void);
__declspec(dllimport) int __stdcall GetLastError(void);

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
