#include "engine/core/error.hpp"

#include <fmt/format.h>

namespace suture {

const std::vector<CodeInfo>& all_codes() {
    static const std::vector<CodeInfo> codes = {
#define SUTURE_CODE(id, text, what, todo) CodeInfo{Code::id, text, what, todo},
#include "engine/core/codes.def"
#undef SUTURE_CODE
    };
    return codes;
}

const CodeInfo& info_of(Code code) {
    return all_codes()[static_cast<std::size_t>(code)];
}

std::string_view text_of(Code code) {
    return info_of(code).text;
}

std::string Error::message() const {
    std::string text = fmt::format("{}: {}", text_of(code_), info_of(code_).what);
    if (!detail_.empty())
        text += fmt::format(": {}", detail_);
    std::vector<std::string> where;
    if (!place_.image.empty())
        where.push_back(place_.rva ? fmt::format("{}+0x{:x}", place_.image, place_.rva->value) : place_.image);
    else if (place_.rva)
        where.push_back(fmt::format("RVA 0x{:x}", place_.rva->value));
    if (!place_.function.empty())
        where.push_back(fmt::format("function {}", place_.function));
    if (place_.thread)
        where.push_back(fmt::format("thread {}", *place_.thread));
    if (!where.empty())
        text += fmt::format(" (in {})", fmt::join(where, ", "));
    if (cause_)
        text += fmt::format("\n  because: {}", cause_->message());
    return text;
}

} // namespace suture
