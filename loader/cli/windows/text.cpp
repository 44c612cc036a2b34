#include "loader/cli/windows/text.hpp"

#include <windows.h>

namespace suture::cli {

std::wstring wide(std::string_view text) {
    const auto size = static_cast<int>(text.size());
    std::wstring out(static_cast<std::size_t>(::MultiByteToWideChar(CP_UTF8, 0, text.data(), size, nullptr, 0)), L'\0');
    ::MultiByteToWideChar(CP_UTF8, 0, text.data(), size, out.data(), static_cast<int>(out.size()));
    return out;
}

std::string utf8(std::wstring_view text) {
    const auto size = static_cast<int>(text.size());
    const int room = ::WideCharToMultiByte(CP_UTF8, 0, text.data(), size, nullptr, 0, nullptr, nullptr);
    std::string out(static_cast<std::size_t>(room), '\0');
    ::WideCharToMultiByte(CP_UTF8, 0, text.data(), size, out.data(), room, nullptr, nullptr);
    return out;
}

} // namespace suture::cli
