#include "engine/pe/unwind_arm64.hpp"

#include <fmt/format.h>

namespace suture::pe {

namespace {

constexpr std::uint32_t kWord = 4;
constexpr std::uint32_t kInstruction = 4;
constexpr std::uint8_t kEnd = 0xe4;
constexpr std::uint8_t kEndC = 0xe5;
constexpr std::uint32_t kFragmentFlag = 2;
constexpr std::uint32_t kMaxSavedIntegers = 10; // x19 to x28

std::unexpected<Error> bad(Rva at, std::string detail) {
    return fail(Error(Code::pe_bad_directory, "unwind data: " + std::move(detail)).at(at));
}

/// The one or two words that open a record.
struct Header {
    std::uint32_t function_size = 0;
    std::uint32_t version = 0;
    bool has_handler = false;
    bool single_epilog = false;
    std::uint32_t epilogs = 0; ///< or, with `single_epilog`, the index of its first code
    std::uint32_t code_words = 0;
    std::uint32_t size = kWord;
};

std::optional<Header> read_header(ByteView bytes) {
    const auto first = bytes.read<std::uint32_t>(0);
    if (!first)
        return std::nullopt;
    Header header;
    header.function_size = (*first & 0x3ffff) * kInstruction;
    header.version = *first >> 18 & 3;
    header.has_handler = (*first >> 20 & 1) != 0;
    header.single_epilog = (*first >> 21 & 1) != 0;
    header.epilogs = *first >> 22 & 0x1f;
    header.code_words = *first >> 27;
    if (header.epilogs != 0 || header.code_words != 0)
        return header;
    const auto second = bytes.read<std::uint32_t>(kWord);
    if (!second || *second >> 24 != 0)
        return std::nullopt;
    header.epilogs = *second & 0xffff;
    header.code_words = *second >> 16 & 0xff;
    header.size = 2 * kWord;
    return header;
}

/// Where the codes from some index on lead to: to one that ends them, over what is not defined, or, whole, to the end
/// of the last word. MSVC leaves the end out where the codes of an epilogue are the last ones and fill that word.
enum class Lead : std::uint8_t { nowhere, end, last_word };

/// For each index of `codes`, and behind the last.
std::vector<Lead> leads_of(ByteView codes) {
    std::vector<Lead> leads(codes.size() + 1, Lead::nowhere);
    leads.back() = Lead::last_word;
    for (std::size_t index = codes.size(); index-- > 0;) {
        // end_c at the very start says that there is no prologue here; what it was follows.
        const bool ends = codes[index] == kEnd || (codes[index] == kEndC && index != 0);
        if (const std::uint32_t size = unwind_code_size_arm64(*codes.from(index)))
            leads[index] = ends ? Lead::end : leads[index + size];
    }
    return leads;
}

Result<UnwindInfoArm64> packed_info(const RuntimeFunction& function) {
    const std::uint32_t word = function.packed;
    const std::uint32_t flag = word & 3;
    if ((flag != 1 && flag != kFragmentFlag) || (word >> 2 & 0x7ff) * kInstruction != function.range.size)
        return bad(function.range.begin, fmt::format("a packed entry 0x{:08x}", word));
    if ((word >> 16 & 15) > kMaxSavedIntegers)
        return bad(function.range.begin, fmt::format("a packed entry 0x{:08x}, which saves too many registers", word));
    UnwindInfoArm64 info;
    info.packed = word;
    info.function_size = function.range.size;
    info.fragment = flag == kFragmentFlag;
    return info;
}

} // namespace

std::uint32_t unwind_code_size_arm64(ByteView codes) {
    if (codes.empty())
        return 0;
    const std::uint8_t first = codes[0];
    std::uint32_t size = 1;
    if (first >= 0xc0 && first <= 0xdf) // alloc_m, saves of registers, alloc_z
        size = 2;
    else if (first == 0xe0) // alloc_l
        size = 4;
    else if (first == 0xe2) // add_fp
        size = 2;
    else if (first == 0xe7) // save_any_reg
        size = 3;
    else if (first > 0xec && first != 0xfc) // reserved, but for pac_sign_lr
        return 0;
    return codes.size() >= size ? size : 0;
}

std::optional<std::uint32_t> unwind_record_size_arm64(ByteView start) {
    const auto header = read_header(start);
    if (!header)
        return std::nullopt;
    const std::uint32_t scopes = header->single_epilog ? 0 : header->epilogs;
    return header->size + (scopes + header->code_words + (header->has_handler ? 1 : 0)) * kWord;
}

Result<UnwindInfoArm64> unwind_info_arm64_of(const Image& image, const RuntimeFunction& function) {
    if (function.packed != 0)
        return packed_info(function);
    const Rva rva = function.unwind_info;
    const auto bytes = image.bytes_from(rva);
    const auto header = bytes && rva.value % kWord == 0 ? read_header(*bytes) : std::nullopt;
    if (!header)
        return bad(rva, "an .xdata record is not aligned, or not inside one section");
    if (header->version != 0)
        return bad(rva, fmt::format("an .xdata record of version {}", header->version));
    if (header->function_size != function.range.size)
        return bad(rva, "an .xdata record is for a function of another size");

    UnwindInfoArm64 info;
    info.function_size = header->function_size;
    info.single_epilog = header->single_epilog;
    const std::uint32_t scopes = header->single_epilog ? 0 : header->epilogs;
    info.single_epilog_code = header->single_epilog ? header->epilogs : 0;
    const std::uint32_t codes_at = header->size + scopes * kWord;
    const auto codes = bytes->slice(codes_at, std::uint64_t{header->code_words} * kWord);
    if (!codes)
        return bad(rva, "an .xdata record is cut off");
    const std::vector<Lead> leads = leads_of(*codes);
    if (header->code_words == 0 || leads[0] != Lead::end || info.single_epilog_code >= codes->size() ||
        leads[info.single_epilog_code] != Lead::end)
        return bad(rva, "the unwind codes do not end, or are not defined");
    info.codes = codes->copy();
    info.fragment = info.codes[0] == kEndC;
    info.epilogs.reserve(scopes);
    for (std::uint32_t i = 0; i < scopes; ++i) {
        const std::uint32_t scope = bytes->read<std::uint32_t>(header->size + std::uint64_t{i} * kWord).value_or(0);
        const EpilogArm64 epilog{(scope & 0x3ffff) * kInstruction, scope >> 22};
        if (epilog.start >= info.function_size || epilog.first_code >= codes->size() ||
            leads[epilog.first_code] == Lead::nowhere)
            return bad(rva, fmt::format("epilogue {} lies outside its function, or its codes do not end", i));
        info.epilogs.push_back(epilog);
    }
    info.size = codes_at + header->code_words * kWord;
    if (!header->has_handler)
        return info;
    const auto handler = bytes->read<std::uint32_t>(info.size);
    if (!handler || *handler >= image.size_of_image())
        return bad(rva, "the handler lies outside the image");
    info.handler = Rva{*handler};
    info.handler_at = info.size;
    info.size += kWord;
    info.handler_data = rva + info.size;
    return info;
}

} // namespace suture::pe
