#include "patchgen/prove/arm64/unwind_record.hpp"

#include <algorithm>

namespace suture::prove::arm64 {

namespace {

constexpr std::uint32_t kWord = 4;
constexpr std::uint8_t kEnd = 0xe4;
constexpr std::uint8_t kEndOfFragment = 0xe5;
constexpr std::uint32_t kFragmentFlag = 2;
// Largest stack frame that one instruction allocates in a packed entry's prologue, and that one stp does, in bytes.
constexpr std::uint32_t kOneSub = 4080;
constexpr std::uint32_t kOneStore = 512;

constexpr std::uint32_t bits(std::uint32_t word, unsigned low, unsigned count) {
    return word >> low & ((1u << count) - 1);
}

std::unexpected<Error> bad(Rva at) {
    return fail(Error(Code::pe_bad_directory, "unwind data that makes no sense").at(at));
}

/// Bytes of the unwind code that starts with `first`.
std::uint32_t code_size(std::uint8_t first) {
    if (first < 0xc0)
        return 1;
    if (first < 0xe0)
        return 2;
    switch (first) {
    case 0xe0: // alloc_l
        return 4;
    case 0xe2: // add_fp
        return 2;
    case 0xe7: // save_any_reg
        return 3;
    case 0xf8: // reserved, with that many bytes behind
    case 0xf9:
    case 0xfa:
    case 0xfb:
        return first - 0xf8 + 2;
    default:
        return 1;
    }
}

/// The sequence of unwind codes at `begin`, up to and with its end, or the end of all codes where it is that of an
/// epilogue: bytes, and how many instructions it stands for.
struct Sequence {
    Bytes bytes;
    std::uint32_t instructions = 0; ///< that the end stands for none in a prologue, for a return in an epilogue
};

std::optional<Sequence> sequence_at(ByteView codes, std::uint64_t begin, bool of_epilogue = false) {
    Sequence sequence;
    bool in_fragment = false;
    for (std::uint64_t at = begin; at < codes.size();) {
        const std::uint8_t code = codes[at];
        const auto bytes = codes.slice(at, code_size(code));
        if (!bytes)
            return std::nullopt;
        sequence.bytes.insert(sequence.bytes.end(), bytes->begin(), bytes->end());
        if (code == kEnd)
            return sequence;
        // Behind end_c follow codes of another prologue, which this code does not run.
        in_fragment |= code == kEndOfFragment;
        if (!in_fragment)
            ++sequence.instructions;
        at += bytes->size();
    }
    return of_epilogue && !sequence.bytes.empty() ? std::optional(std::move(sequence)) : std::nullopt;
}

UnwindRecord packed_record(const pe::RuntimeFunction& entry) {
    UnwindRecord record;
    const std::uint32_t word = entry.packed;
    if (bits(word, 0, 2) == kFragmentFlag)
        return record;
    const std::uint32_t saved_fp = bits(word, 13, 3) == 0 ? 0 : bits(word, 13, 3) + 1;
    const std::uint32_t cr = bits(word, 21, 2);
    const std::uint32_t saved_int = bits(word, 16, 4) + (cr == 1 ? 1 : 0);
    const bool homes = bits(word, 20, 1);
    const std::uint32_t home_bytes = homes ? 8 * 8 : 0;
    const std::uint32_t saved_bytes = (8 * (saved_int + saved_fp) + home_bytes + 15) / 16 * 16;
    const std::uint32_t frame = bits(word, 23, 9) * 16;
    const std::uint32_t locals = frame > saved_bytes ? frame - saved_bytes : 0;
    const bool chained = cr >= 2;
    std::uint32_t count = (saved_int + 1) / 2 + (saved_fp + 1) / 2;
    if (cr == 2)
        ++count; // pacibsp
    if (chained)
        count += locals <= kOneStore ? 2 : locals <= kOneSub ? 3 : 4;
    else if (locals != 0)
        count += locals <= kOneSub ? 1 : 2;
    const std::uint32_t prologue = (count + (homes ? 4 : 0)) * kWord;
    const std::uint32_t epilogue = (count + 1) * kWord;
    record.frame_changes.push_back({{0}, std::min(prologue, entry.range.size)});
    record.frame_changes.push_back(
        {{entry.range.size - std::min(epilogue, entry.range.size)}, std::min(epilogue, entry.range.size)});
    return record;
}

} // namespace

Result<UnwindRecord> unwind_record_of(const pe::Image& image, const pe::RuntimeFunction& entry) {
    if (entry.packed != 0)
        return packed_record(entry);
    const Rva at = entry.unwind_info;
    const auto rest = image.bytes_from(at);
    const auto first = rest ? rest->read<std::uint32_t>(0) : std::nullopt;
    if (!first)
        return bad(at);
    std::uint32_t header = kWord;
    std::uint32_t epilogues = bits(*first, 22, 5);
    std::uint32_t code_words = bits(*first, 27, 5);
    if (epilogues == 0 && code_words == 0) {
        const auto second = rest->read<std::uint32_t>(kWord);
        if (!second)
            return bad(at);
        epilogues = bits(*second, 0, 16);
        code_words = bits(*second, 16, 8);
        header += kWord;
    }
    const bool one_epilogue = bits(*first, 21, 1);
    const std::uint32_t scopes = one_epilogue ? 0 : epilogues;
    const std::uint32_t size = header + (scopes + code_words) * kWord;
    const auto bytes = rest->slice(0, size);
    if (!bytes || bits(*first, 18, 2) != 0 || bits(*first, 0, 18) * kWord != entry.range.size)
        return bad(at);
    UnwindRecord record;
    record.bytes = bytes->copy();
    record.has_handler = bits(*first, 20, 1);
    const ByteView codes = *bytes->from(header + scopes * kWord);
    const auto prologue = sequence_at(codes, 0);
    if (!prologue)
        return bad(at);
    record.prologue = prologue->bytes;
    record.frame_changes.push_back({{0}, prologue->instructions * kWord});
    if (one_epilogue) {
        const auto sequence = sequence_at(codes, epilogues);
        const std::uint32_t length = sequence ? (sequence->instructions + 1) * kWord : 0;
        if (!sequence || length > entry.range.size)
            return bad(at);
        record.frame_changes.push_back({{entry.range.size - length}, length});
    }
    for (std::uint32_t i = 0; i < scopes; ++i) {
        const std::uint32_t scope = *bytes->read<std::uint32_t>(header + i * kWord);
        const auto sequence = sequence_at(codes, bits(scope, 22, 10), true);
        if (!sequence)
            return bad(at);
        record.frame_changes.push_back({{bits(scope, 0, 18) * kWord}, (sequence->instructions + 1) * kWord});
    }
    return record;
}

std::uint32_t packed_fragment(std::uint32_t packed, std::uint32_t size) {
    constexpr std::uint32_t kFlagAndLength = 0x1fff;
    return (packed & ~kFlagAndLength) | (size / kWord << 2 & kFlagAndLength) | kFragmentFlag;
}

bool is_fragment_within(const UnwindRecord& record, std::uint32_t size, ByteView prologue) {
    if (record.has_handler || record.bytes.empty() || record.frame_changes.size() != 1 ||
        record.frame_changes[0].size != 0 ||
        bits(*ByteView(record.bytes).read<std::uint32_t>(0), 0, 18) * kWord != size)
        return false;
    // The function's own prologue may be that of a fragment already.
    const bool begins_as_fragment = prologue.size() != 0 && prologue[0] == kEndOfFragment;
    const ByteView codes(record.prologue);
    return codes.size() != 0 && codes[0] == kEndOfFragment &&
           (begins_as_fragment ? std::ranges::equal(codes, prologue) : std::ranges::equal(*codes.from(1), prologue));
}

} // namespace suture::prove::arm64
