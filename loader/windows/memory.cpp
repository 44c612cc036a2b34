#include "loader/windows/memory.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::loader {

namespace {

constexpr DWORD kExecutable = PAGE_EXECUTE | PAGE_EXECUTE_READ | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY;
constexpr DWORD kWritable = PAGE_READWRITE | PAGE_WRITECOPY | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY;
constexpr DWORD kReadable = kWritable | PAGE_READONLY | PAGE_EXECUTE_READ;

/// What no program of 64 bits can have begins here, at the latest.
constexpr std::uint64_t kUserEnd = 0x7fff'ffff'0000;

void* pointer(Va at) {
    return reinterpret_cast<void*>(at.value);
}

} // namespace

bool Pages::readable() const {
    return committed() && (protection & kReadable) != 0 && (protection & PAGE_GUARD) == 0;
}

bool Pages::writable() const {
    return committed() && (protection & kWritable) != 0;
}

bool Pages::executable() const {
    return committed() && (protection & kExecutable) != 0;
}

bool Memory::read(Va at, std::span<std::uint8_t> into) const {
    SIZE_T count = 0;
    return into.empty() || (::ReadProcessMemory(process_, pointer(at), into.data(), into.size(), &count) != 0 &&
                            count == into.size());
}

bool Memory::read(std::span<const target::Reading> readings) const {
    // To be called costs the system as much as to copy this much.
    constexpr std::uint64_t kClose = 0x4000;
    constexpr std::uint64_t kTogether = 0x10000;
    std::vector<const target::Reading*> ascending;
    for (const target::Reading& one : readings)
        ascending.push_back(&one);
    std::ranges::sort(ascending, {}, [](const target::Reading* one) { return one->at; });
    bool all = true;
    Bytes buffer;
    for (std::size_t first = 0, next = 0; first < ascending.size(); first = next) {
        const Va begin = ascending[first]->at;
        Va end = begin;
        for (; next < ascending.size(); ++next) {
            const Va its_end = std::max(end, ascending[next]->at + ascending[next]->into.size());
            if (next != first && (ascending[next]->at > end + kClose || its_end - begin > kTogether))
                break;
            end = its_end;
        }
        const std::span group(ascending.begin() + static_cast<std::ptrdiff_t>(first), next - first);
        buffer.resize(group.size() > 1 ? static_cast<std::size_t>(end - begin) : 0);
        // Where what lies between them cannot be read, they may none the less.
        const bool together = !buffer.empty() && read(begin, buffer);
        for (const target::Reading* one : group)
            if (together)
                std::copy_n(buffer.begin() + static_cast<std::ptrdiff_t>(one->at - begin), one->into.size(),
                            one->into.begin());
            else
                all = read(one->at, one->into) && all;
    }
    return all;
}

bool Memory::write(Va at, ByteView bytes) const {
    SIZE_T count = 0;
    return ::WriteProcessMemory(process_, pointer(at), bytes.data(), bytes.size(), &count) != 0 &&
           count == bytes.size();
}

bool Memory::protect(VaRange range, DWORD protection) const {
    DWORD before = 0;
    return ::VirtualProtectEx(process_, pointer(range.begin), range.size, protection, &before) != 0;
}

std::optional<Pages> Memory::query(Va at) const {
    MEMORY_BASIC_INFORMATION found{};
    if (at.value >= kUserEnd || ::VirtualQueryEx(process_, pointer(at), &found, sizeof found) != sizeof found)
        return std::nullopt;
    return Pages{{Va{reinterpret_cast<std::uint64_t>(found.BaseAddress)}, found.RegionSize},
                 {Va{reinterpret_cast<std::uint64_t>(found.AllocationBase)}, 0},
                 found.State,
                 found.Protect,
                 found.AllocationProtect,
                 found.Type};
}

std::vector<Pages> Memory::pages(VaRange within) const {
    std::vector<Pages> all;
    for (Va at = within.begin; at < within.end();) {
        const auto found = query(at);
        if (!found || found->range.size == 0)
            break;
        at = found->range.end();
        if (found->state != MEM_FREE)
            all.push_back(*found);
    }
    return all;
}

std::vector<Pages> Memory::pages() const {
    return pages({Va{0}, kUserEnd});
}

std::string error_text(DWORD error) {
    char* text = nullptr;
    const DWORD size = ::FormatMessageA(FORMAT_MESSAGE_ALLOCATE_BUFFER | FORMAT_MESSAGE_FROM_SYSTEM |
                                            FORMAT_MESSAGE_IGNORE_INSERTS,
                                        nullptr, error, 0, reinterpret_cast<char*>(&text), 0, nullptr);
    std::string words(text ? text : "", size);
    ::LocalFree(text);
    words.resize(words.find_last_not_of(" .\r\n") + 1);
    return words.empty() ? fmt::format("error {}", error) : fmt::format("error {}: {}", error, words);
}

std::string last_error() {
    return error_text(::GetLastError());
}

} // namespace suture::loader
