#include "engine/package/patch_table.hpp"

#include "engine/package/byte_cursor.hpp"
#include "engine/package/byte_writer.hpp"
#include "engine/package/hot_patch_chunk.hpp"
#include "engine/package/limits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace suture::package {

namespace {

/// Of functions and fixups: two RVAs.
struct Record {
    std::uint32_t source;
    std::uint32_t target;
};
static_assert(sizeof(Record) == 8);

struct FixupOperation {
    FixupKind kind;
    std::uint32_t opcode;
};

constexpr FixupOperation kFixupOperations[] = {
    {FixupKind::absolute64, kChunkAbsolute},
    {FixupKind::rel32, kChunkRel32},
    {FixupKind::arm64_page21, kChunkArm64Page21},
    {FixupKind::arm64_branch26, kChunkArm64Branch26},
    {FixupKind::image_relative32, kChunkImageRelative},
};

/// check_manifest() knows no other kinds.
std::uint32_t opcode_of(FixupKind kind) {
    const auto* found = std::ranges::find(kFixupOperations, kind, &FixupOperation::kind);
    return found != std::end(kFixupOperations) ? found->opcode : kChunkNone;
}

std::optional<FixupKind> fixup_kind_of(std::uint32_t opcode) {
    const auto* found = std::ranges::find(kFixupOperations, opcode, &FixupOperation::opcode);
    return found != std::end(kFixupOperations) ? std::optional(found->kind) : std::nullopt;
}

/// Splits records into chunks of as many as the size field can say. `addend` stands before the records of fixups.
template <class Entry>
void put_chunks(ByteWriter& out, std::uint32_t opcode, std::optional<std::int32_t> addend,
                std::span<const Entry> records) {
    while (!records.empty()) {
        const std::size_t count = std::min<std::size_t>(records.size(), kChunkSize);
        out.put(opcode | static_cast<std::uint32_t>(count));
        if (addend)
            out.put(*addend);
        for (const Entry& record : records.first(count))
            out.put(record);
        records = records.subspan(count);
    }
}

Result<void> take_functions(ByteCursor& in, std::uint32_t count, PatchTable& table) {
    for (std::uint32_t i = 0; i < count; ++i) {
        SUTURE_TRY(const Record record, in.take<Record>());
        table.functions.push_back({{record.source}, {record.target}});
    }
    if (table.functions.size() > kMaxFunctions)
        return fail(Code::package_malformed, fmt::format("more than {} functions", kMaxFunctions));
    return {};
}

Result<void> take_call_targets(ByteCursor& in, std::uint32_t count, std::vector<Rva>& targets) {
    for (std::uint32_t i = 0; i < count; ++i) {
        SUTURE_TRY(const auto target, in.take<std::uint32_t>());
        targets.push_back({target});
    }
    if (targets.size() > kMaxCallTargets)
        return fail(Code::package_malformed, fmt::format("more than {} call targets", kMaxCallTargets));
    return {};
}

Result<void> take_fixups(ByteCursor& in, std::uint32_t count, FixupKind kind, PatchTable& table) {
    SUTURE_TRY(const auto addend, in.take<std::int32_t>());
    for (std::uint32_t i = 0; i < count; ++i) {
        SUTURE_TRY(const Record record, in.take<Record>());
        table.fixups.push_back({kind, {record.source}, {record.target}, addend});
    }
    if (table.fixups.size() > kMaxFixups)
        return fail(Code::package_malformed, fmt::format("more than {} fixups", kMaxFixups));
    return {};
}

} // namespace

Bytes encode_patch_table(const Manifest& manifest) {
    ByteWriter out;
    std::vector<Record> records;
    for (const Replacement& function : manifest.functions)
        records.push_back({function.baseline.value, function.patch.value});
    put_chunks<Record>(out, kChunkFunction, std::nullopt, records);
    for (const auto& [opcode, targets] : {std::pair(kChunkCallTarget, &manifest.call_targets),
                                          std::pair(kChunkBaselineCallTarget, &manifest.baseline_call_targets)}) {
        std::vector<std::uint32_t> rvas;
        for (const Rva target : *targets)
            rvas.push_back(target.value);
        put_chunks<std::uint32_t>(out, opcode, std::nullopt, rvas);
    }

    std::map<std::pair<std::uint32_t, std::int32_t>, std::vector<Record>> groups;
    for (const Fixup& fixup : manifest.fixups)
        groups[{opcode_of(fixup.kind), fixup.addend}].push_back({fixup.source.value, fixup.target.value});
    for (const auto& [key, group] : groups)
        put_chunks<Record>(out, key.first, key.second, group);
    out.put(kChunkNone);
    return out.take();
}

Result<PatchTable> decode_patch_table(ByteView bytes) {
    ByteCursor in(bytes);
    PatchTable table;
    for (;;) {
        SUTURE_TRY(const auto word, in.take<std::uint32_t>());
        const std::uint32_t count = word & kChunkSize;
        const std::uint32_t opcode = word & ~kChunkSize;
        if (word == kChunkNone)
            break;
        if (count == 0)
            return fail(Code::package_malformed, fmt::format("an empty chunk 0x{:08x}", word));
        if (opcode == kChunkFunction)
            SUTURE_CHECK(take_functions(in, count, table));
        else if (opcode == kChunkCallTarget)
            SUTURE_CHECK(take_call_targets(in, count, table.call_targets));
        else if (opcode == kChunkBaselineCallTarget)
            SUTURE_CHECK(take_call_targets(in, count, table.baseline_call_targets));
        else if (const auto kind = fixup_kind_of(opcode))
            SUTURE_CHECK(take_fixups(in, count, *kind, table));
        else
            return fail(Code::package_malformed, fmt::format("a chunk of unknown kind 0x{:08x}", word));
    }
    std::ranges::sort(table.fixups, {}, &Fixup::source);
    table.size = static_cast<std::uint32_t>(bytes.size() - in.left());
    return table;
}

} // namespace suture::package
