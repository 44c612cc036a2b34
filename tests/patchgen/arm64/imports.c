// A call of what the baseline does not import.
__declspec(dllimport) unsigned GetTickCount(void);
__declspec(dllimport) unsigned GetCurrentProcessId(void);

__declspec(dllexport) unsigned who(unsigned x) {
#if UPDATED
    return GetCurrentProcessId() + GetTickCount() + x;
#else
    return GetCurrentProcessId() + x;
#endif
}

__declspec(dllexport) unsigned stays(void) { return GetCurrentProcessId(); }
