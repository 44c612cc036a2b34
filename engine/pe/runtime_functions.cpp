#include "engine/pe/runtime_functions.hpp"

#include "engine/pe/limits.hpp"
#include "engine/pe/raw/directories.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::pe {

namespace {

std::unexpected<Error> bad(Rva at, std::string detail) {
    return fail(Error(Code::pe_bad_directory, "unwind data: " + std::move(detail)).at(at));
}

/// An entry as it stands, with nothing checked yet.
struct RawEntry {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::uint32_t unwind_info = 0;
    std::uint32_t packed = 0;
};

RawEntry entry_x64(ByteView bytes) {
    const auto entry = *bytes.read<raw::RuntimeFunctionX64>(0);
    return {entry.begin_address, entry.end_address, entry.unwind_info, 0};
}

/// The function's length is in the entry where that is packed, else in the first word of its .xdata record.
std::optional<RawEntry> entry_arm64(const Image& image, ByteView bytes) {
    const auto entry = *bytes.read<raw::RuntimeFunctionArm64>(0);
    const std::uint32_t flag = entry.unwind_data & 3;
    if (flag == 1 || flag == 2)
        return RawEntry{entry.begin_address, entry.begin_address + 4ull * (entry.unwind_data >> 2 & 0x7ff), 0,
                        entry.unwind_data};
    const auto header = image.read<std::uint32_t>(Rva{entry.unwind_data});
    if (flag != 0 || !header)
        return std::nullopt;
    return RawEntry{entry.begin_address, entry.begin_address + 4ull * (*header & 0x3ffff), entry.unwind_data, 0};
}

} // namespace

std::vector<Rva> length_words_of(const Image& image) {
    std::vector<Rva> words;
    const auto bytes =
        image.bytes_at(image.directory(Directory::exceptions).begin, image.directory(Directory::exceptions).size);
    if (image.machine() != Machine::arm64 || !bytes)
        return words;
    for (std::size_t at = 0; at + sizeof(raw::RuntimeFunctionArm64) <= bytes->size();
         at += sizeof(raw::RuntimeFunctionArm64)) {
        const auto entry = *bytes->read<raw::RuntimeFunctionArm64>(at);
        if ((entry.unwind_data & 3) == 0)
            words.push_back(Rva{entry.unwind_data});
    }
    return words;
}

Result<std::vector<RuntimeFunction>> runtime_functions_of(const Image& image) {
    std::vector<RuntimeFunction> functions;
    const RvaRange directory = image.directory(Directory::exceptions);
    if (directory.size == 0)
        return functions;
    const auto bytes = image.bytes_at(directory.begin, directory.size);
    if (!bytes)
        return bad(directory.begin, "the exception directory is not inside one section");
    const bool arm64 = image.machine() == Machine::arm64;
    const std::size_t size = arm64 ? sizeof(raw::RuntimeFunctionArm64) : sizeof(raw::RuntimeFunctionX64);
    const std::size_t count = bytes->size() / size;
    if (bytes->size() % size != 0 || count > kMaxRuntimeFunctions)
        return bad(directory.begin, fmt::format("an exception directory of {} bytes", bytes->size()));
    functions.reserve(count);
    std::uint64_t previous_end = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const ByteView raw = *bytes->slice(i * size, size);
        const auto entry = arm64 ? entry_arm64(image, raw) : std::optional(entry_x64(raw));
        // GCC writes entries for cold parts of which nothing was left.
        if (entry && entry->begin == entry->end)
            continue;
        if (!entry || entry->begin > entry->end || entry->end > image.size_of_image() ||
            entry->unwind_info >= image.size_of_image())
            return bad(directory.begin, fmt::format("entry {} lies outside the image", i));
        const Rva begin{static_cast<std::uint32_t>(entry->begin)};
        if (entry->begin < previous_end)
            return bad(begin, fmt::format("entry {} is out of order or overlaps", i));
        previous_end = entry->end;
        functions.push_back(
            {{begin, static_cast<std::uint32_t>(entry->end - entry->begin)}, Rva{entry->unwind_info}, entry->packed});
    }
    return functions;
}

const RuntimeFunction* runtime_function_at(std::span<const RuntimeFunction> functions, Rva rva) {
    const auto after =
        std::ranges::upper_bound(functions, rva, {}, [](const RuntimeFunction& f) { return f.range.begin; });
    if (after == functions.begin() || !std::prev(after)->range.contains(rva))
        return nullptr;
    return &*std::prev(after);
}

} // namespace suture::pe
