#pragma once

#include "loader/windows/handle.hpp"

#include <winternl.h>

#include <cstdint>

namespace suture::loader {

/// The functions of ntdll that Win32 has no counterpart of; all have been there since Windows Vista.
extern "C" {
NTSYSAPI NTSTATUS NTAPI NtSuspendProcess(HANDLE process);
NTSYSAPI NTSTATUS NTAPI NtResumeProcess(HANDLE process);
NTSYSAPI NTSTATUS NTAPI NtGetNextThread(HANDLE process, HANDLE thread, ACCESS_MASK access, ULONG attributes,
                                        ULONG flags, HANDLE* next);
NTSYSAPI NTSTATUS NTAPI NtCreateSection(HANDLE* section, ACCESS_MASK access, void* attributes, LARGE_INTEGER* size,
                                        ULONG protection, ULONG allocation, HANDLE file);
NTSYSAPI NTSTATUS NTAPI NtMapViewOfSection(HANDLE section, HANDLE process, void** base, ULONG_PTR zero_bits,
                                           SIZE_T commit, LARGE_INTEGER* offset, SIZE_T* size, ULONG inherit,
                                           ULONG allocation, ULONG protection);
NTSYSAPI NTSTATUS NTAPI NtUnmapViewOfSection(HANDLE process, void* base);
NTSYSAPI NTSTATUS NTAPI NtCreateThreadEx(HANDLE* thread, ACCESS_MASK access, void* attributes, HANDLE process,
                                         void* start, void* parameter, ULONG flags, ULONG_PTR zero_bits,
                                         SIZE_T stack_commit, SIZE_T stack_reserve, void* list);
}

inline constexpr ULONG kSkipThreadAttach = 2; ///< THREAD_CREATE_FLAGS_SKIP_THREAD_ATTACH
inline constexpr ULONG kViewUnmap = 2;        ///< ViewUnmap: children of the process do not get the view

/// STATUS_NO_MORE_ENTRIES: how NtGetNextThread says that it has told of all.
inline constexpr auto kNoMoreEntries = static_cast<NTSTATUS>(0x8000001a);

constexpr bool succeeded(NTSTATUS status) {
    return status >= 0;
}

} // namespace suture::loader
