#include "engine/patch/plan.hpp"

#include "engine/isa/arm64/immediates.hpp"
#include "engine/pe/unwind_arm64.hpp"
#include "engine/pe/unwind_x64.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>

namespace suture::patch {

namespace {

// What no processor runs through: int3 on x64. Unused slots of stub and continuation pages hold it on Arm64 too, where
// 0xcccccccc is an undefined instruction.
constexpr std::uint8_t kTrap = 0xcc;
// Versions that a fresh block has room for; sequences are monthly between two baselines.
constexpr std::size_t kVersionsReserved = 8;

template <class T>
void put(Bytes& bytes, std::size_t offset, T value) {
    std::memcpy(bytes.data() + offset, &value, sizeof(value));
}

/// An instruction of the package image as it refers to `target` from where it will run; nothing if it cannot.
std::optional<std::uint32_t> aimed(const Bytes& bytes, Rva source, Va at, std::uint64_t target) {
    const auto word = ByteView(bytes).read<std::uint32_t>(source.value);
    const auto form = word ? isa::arm64::form_of(*word) : std::nullopt;
    return form ? isa::arm64::aimed_at(*form, *word, at.value + source.value, target) : std::nullopt;
}

/// Fills in one field; false if it does not reach.
bool apply_fixup(Bytes& bytes, const package::Fixup& fixup, Va at, Va baseline) {
    const std::uint64_t value =
        baseline.value + fixup.target.value + static_cast<std::uint64_t>(std::int64_t{fixup.addend});
    switch (fixup.kind) {
    case package::FixupKind::absolute64:
        put(bytes, fixup.source.value, value);
        return true;
    case package::FixupKind::rel32: {
        const auto distance = static_cast<std::int64_t>(value - (at.value + fixup.source.value));
        put(bytes, fixup.source.value, static_cast<std::int32_t>(distance));
        return distance == static_cast<std::int32_t>(distance);
    }
    case package::FixupKind::arm64_page21:
    case package::FixupKind::arm64_branch26: {
        const auto word = aimed(bytes, fixup.source, at, value);
        put(bytes, fixup.source.value, word.value_or(0));
        return word.has_value();
    }
    case package::FixupKind::image_relative32: {
        const std::uint64_t distance = at.value + fixup.target.value - baseline.value;
        put(bytes, fixup.source.value, static_cast<std::uint32_t>(distance));
        return distance <= std::numeric_limits<std::int32_t>::max();
    }
    }
    return false;
}

/// The package image laid out for its address, fixups applied.
Result<Bytes> loaded_image(const package::Package& package, Va at, Va baseline,
                           std::span<const ResolvedImport> imports) {
    const pe::Image& image = package.image();
    Bytes bytes(static_cast<std::size_t>(pages_up(image.size_of_image())));
    const auto copy = [&](Rva rva, std::uint64_t size) {
        if (const auto content = image.bytes_at(rva, size))
            std::ranges::copy(*content, bytes.begin() + rva.value);
    };
    copy(Rva{0}, image.size_of_headers());
    for (const pe::Section& section : image.sections())
        copy(section.range.begin, std::min<std::uint64_t>(section.range.size, section.raw_size));

    for (const pe::Relocation& relocation : package.relocations()) {
        const auto preferred = image.read<std::uint64_t>(relocation.at);
        if (!preferred)
            return fail(Error(Code::package_malformed, "a relocated field is not initialised").at(relocation.at));
        put(bytes, relocation.at.value, *preferred - image.image_base().value + at.value);
    }
    for (const package::Fixup& fixup : package.manifest().fixups) {
        if (!apply_fixup(bytes, fixup, at, baseline))
            return fail(Error(Code::branch_out_of_reach,
                              fmt::format("the field at RVA 0x{:x} of the package does not reach RVA 0x{:x}",
                                          fixup.source.value, fixup.target.value)));
    }
    for (const ResolvedImport& import : imports)
        put(bytes, import.slot.value, import.address.value);
    return bytes;
}

std::vector<Va> call_targets_of(std::span<const Rva> targets, Va base) {
    std::vector<Va> result;
    for (const Rva target : targets)
        result.push_back(base + target.value);
    return result;
}

/// One mapping per section, so that each gets its protection; headers included.
std::vector<target::Mapping> image_mappings(const package::Package& package, const Bytes& loaded, Va at) {
    std::vector<target::Mapping> mappings;
    const auto add = [&](Rva rva, std::uint64_t size, target::Protection protection) {
        const std::uint64_t whole = pages_up(size);
        std::optional<std::vector<Va>> targets;
        if (protection == target::Protection::read_execute && package.manifest().guarded)
            targets = call_targets_of(package.manifest().call_targets, at);
        Bytes content(loaded.begin() + rva.value,
                      loaded.begin() + static_cast<std::ptrdiff_t>(std::min(rva.value + whole, loaded.size())));
        mappings.push_back(
            {{at + rva.value, whole}, std::move(content), protection, target::Backing::sealed, std::move(targets)});
    };
    add(Rva{0}, package.image().size_of_headers(), target::Protection::read);
    for (const pe::Section& section : package.image().sections())
        add(section.range.begin, section.range.size,
            section.executable() ? target::Protection::read_execute
            : section.writable() ? target::Protection::read_write
                                 : target::Protection::read);
    return mappings;
}

Digest digest_of_mapping(const target::Mapping& mapping) {
    Hasher hasher;
    hasher.add(mapping.content);
    hasher.add_zeros(static_cast<std::size_t>(mapping.range.size) - mapping.content.size());
    return hasher.finish();
}

/// By which a global is known in another version; zero where nothing tells it. GCC numbers the static variables of
/// functions ("count.0") anew with each compilation: such a name means nothing elsewhere.
Digest name_digest_of(std::string_view name) {
    const std::size_t last = name.find_last_not_of("0123456789");
    if (last == std::string_view::npos || (name[last] == '.' && last + 1 < name.size()))
        return {};
    return digest_of({reinterpret_cast<const std::uint8_t*>(name.data()), name.size()});
}

LedgerVersion version_of(const package::Package& package, std::span<const target::Mapping> mappings, Va image) {
    LedgerVersion version;
    version.sequence = package.manifest().sequence;
    version.id = package.manifest().id;
    version.package = package.digest();
    version.retired = package.manifest().retired;
    for (const package::Global& global : package.manifest().globals)
        version.globals.push_back(
            {name_digest_of(global.name), global.name.substr(0, kMaxGlobalName), global.at, global.size});
    version.image = {image, pages_up(package.image().size_of_image())};
    for (const target::Mapping& mapping : mappings)
        version.pages.push_back({mapping.range, mapping.protection, digest_of_mapping(mapping)});
    return version;
}

/// Adds the package's functions to the ledger and gives the new version its cells.
void add_functions(Ledger& ledger, LedgerVersion& version, const package::Manifest& manifest) {
    std::map<Rva, std::size_t> known;
    for (std::size_t i = 0; i < ledger.functions.size(); ++i)
        known.emplace(ledger.functions[i].site.entry, i);
    version.cells.assign(ledger.functions.size(), Va{0});
    for (const package::Replacement& function : manifest.functions) {
        const auto [place, fresh] = known.emplace(function.baseline, ledger.functions.size());
        if (fresh) {
            ledger.functions.push_back(
                {function.site, function.baseline_size, function.entry_bytes, function.pad_bytes});
            version.cells.push_back(Va{0});
            for (LedgerVersion& other : ledger.versions)
                other.cells.push_back(Va{0});
        }
        LedgerFunction& known_function = ledger.functions[place->second];
        known_function.baseline_size = std::max(known_function.baseline_size, function.baseline_size);
        version.cells[place->second] = version.image.begin + function.patch.value;
    }
}

/// Sites of one package do not overlap; those of different packages might.
Result<void> check_sites_apart(const Ledger& ledger) {
    std::vector<RvaRange> taken;
    for (const LedgerFunction& function : ledger.functions) {
        taken.push_back({function.site.entry, function.site.original_size()});
        if (function.site.uses_pad())
            taken.push_back(function.site.pad_range());
    }
    std::ranges::sort(taken);
    const auto twice = std::ranges::adjacent_find(taken, [](RvaRange a, RvaRange b) { return a.overlaps(b); });
    if (twice != taken.end())
        return fail(
            Error(Code::site_taken, "its bytes belong to the site of a function that an earlier package redirects")
                .in_image(ledger.module)
                .at(std::next(twice)->begin));
    return {};
}

/// What turns `before` into `after`, both content of the pages from `begin` on, if that lies in one page.
std::optional<CommitWrite> write_between(Va begin, const Bytes& before, const Bytes& after) {
    const auto [first, other] = std::ranges::mismatch(before, after);
    const auto from = static_cast<std::size_t>(first - before.begin());
    const std::size_t page_end = std::min<std::size_t>(pages_up(from + 1), before.size());
    if (first == before.end() || !std::equal(before.begin() + static_cast<std::ptrdiff_t>(page_end), before.end(),
                                             after.begin() + static_cast<std::ptrdiff_t>(page_end)))
        return std::nullopt;
    return CommitWrite{begin + from, Bytes(other, after.begin() + static_cast<std::ptrdiff_t>(page_end))};
}

/// A handler of exceptions is called by the process's unwinder, or not at all.
Result<void> check_handlers(const package::Package& package, const Snapshot& snapshot, const Placement& placement) {
    const auto handler_of = [&](const pe::RuntimeFunction& entry) -> std::optional<Rva> {
        if (package.manifest().machine == Machine::arm64) {
            const auto info = pe::unwind_info_arm64_of(package.image(), entry);
            return info ? info->handler : std::nullopt;
        }
        const auto info = pe::unwind_info_at(package.image(), entry.unwind_info);
        return info ? info->handler : std::nullopt;
    };
    if (!placement.unwind)
        for (const pe::RuntimeFunction& entry : package.runtime_functions())
            if (handler_of(entry))
                return fail(Error(Code::unwind_not_registered,
                                  "new code handles exceptions, and its unwind data cannot be made known as it is now; "
                                  "a program that runs already can be told")
                                .in_image(snapshot.module().name)
                                .at(entry.range.begin));
    return {};
}

} // namespace

Result<Block> block_for(const package::Manifest& manifest) {
    const std::size_t functions = manifest.functions.size() * 2 + 16;
    Block block;
    block.stub_pages = static_cast<std::uint32_t>((functions + 1) / Block::kStubsPerPage + 1);
    block.ledger_pages =
        static_cast<std::uint32_t>(pages_up(ledger_size(functions, kVersionsReserved, manifest.sections.size(),
                                                        manifest.retired.size(), manifest.globals.size())) /
                                   kPage);
    if (block.stub_pages > Block::kMaxStubPages || block.ledger_pages > Block::kMaxLedgerPages)
        return fail(Error(Code::block_full, fmt::format("the package replaces {} functions", manifest.functions.size()))
                        .in_image(manifest.module));
    return block;
}

Result<Bytes> stub_bytes(const Ledger& ledger) {
    const isa::Isa* isa = isa::isa_for(ledger.machine);
    Bytes bytes(static_cast<std::size_t>(ledger.block.stubs().size), kTrap);
    for (std::uint32_t slot = 1; slot <= ledger.functions.size(); ++slot) {
        SUTURE_TRY(const Bytes stub, isa->encode_stub(ledger.block.stub(slot), ledger.block.cell(slot)));
        std::ranges::copy(stub, bytes.begin() + slot * isa::Isa::kStubSize);
    }
    return bytes;
}

Result<Bytes> continuation_bytes(const Ledger& ledger) {
    const isa::Isa* isa = isa::isa_for(ledger.machine);
    Bytes bytes(static_cast<std::size_t>(ledger.block.continuations().size), kTrap);
    for (std::size_t i = 0; i < ledger.functions.size(); ++i) {
        const LedgerFunction& function = ledger.functions[i];
        if (isa->is_no_op(function.displaced()))
            continue;
        const Va entry = ledger.module_range.begin + function.site.entry.value;
        SUTURE_TRY(const Bytes code, isa->encode_continuation(function.displaced(), entry, ledger.continuation(i)));
        std::ranges::copy(code, bytes.begin() + static_cast<std::ptrdiff_t>((i + 1) * isa::Isa::kContinuationSize));
    }
    return bytes;
}

Result<std::vector<SiteWrite>> site_writes(const Ledger& ledger, std::size_t index) {
    const LedgerFunction& function = ledger.functions[index];
    const isa::Isa* isa = isa::isa_for(ledger.machine);
    const auto slot = static_cast<std::uint32_t>(index + 1);
    SUTURE_TRY(auto writes, isa->encode_site(function.site, ledger.module_range.begin, ledger.block.stub(slot),
                                             ledger.block.cell(slot)));
    std::vector<SiteWrite> result;
    for (isa::CodeWrite& write : writes) {
        const bool at_entry = write.at == function.site.entry;
        const Bytes& original = at_entry ? function.entry_bytes : function.pad_bytes;
        const auto before = ByteView(original).slice(0, write.bytes.size());
        if (!before)
            return fail(Error(Code::site_unproved, "its original bytes are shorter than the site").at(write.at));
        result.push_back({ledger.module_range.begin + write.at.value, before->copy(), std::move(write.bytes), index});
    }
    return result;
}

Result<target::Mapping> commit_of(Ledger& ledger, std::uint32_t sequence) {
    ledger.active = sequence;
    SUTURE_TRY(Bytes bytes, committed_bytes(ledger));
    return target::Mapping{ledger.block.committed(), std::move(bytes), target::Protection::read};
}

Result<Plan> make_plan(const package::Package& package, const Snapshot& snapshot, const Ledger* ledger,
                       const Placement& placement, std::span<const ResolvedImport> imports,
                       std::span<const UpdatePart> parts) {
    SUTURE_CHECK(check_handlers(package, snapshot, placement));
    const package::Manifest& manifest = package.manifest();
    Plan plan;
    if (ledger) {
        plan.prepared = *ledger;
    } else {
        plan.prepared.machine = manifest.machine;
        plan.prepared.block = placement.block;
        plan.prepared.module = snapshot.module().name;
        plan.prepared.module_range = snapshot.module().range;
        plan.prepared.baseline = manifest.baseline;
        plan.prepared.sections = manifest.sections;
    }
    const std::size_t known = plan.prepared.functions.size();
    SUTURE_TRY(const Bytes loaded, loaded_image(package, placement.image, snapshot.module().range.begin, imports));
    auto image = image_mappings(package, loaded, placement.image);
    LedgerVersion version = version_of(package, image, placement.image);
    add_functions(plan.prepared, version, manifest);
    SUTURE_CHECK(check_sites_apart(plan.prepared));
    if (placement.unwind && !package.runtime_functions().empty()) {
        version.unwind = package.image().directory(pe::Directory::exceptions).begin;
        version.unwind_count = static_cast<std::uint32_t>(package.runtime_functions().size());
        plan.unwind = version.unwind_table();
    }
    const auto later = std::ranges::upper_bound(plan.prepared.versions, version.sequence, {}, &LedgerVersion::sequence);
    plan.prepared.versions.insert(later, std::move(version));

    const Block& block = plan.prepared.block;
    plan.prepared.phase = Phase::preparing;
    plan.prepared.update = {true, static_cast<std::uint32_t>(known), {parts.begin(), parts.end()}};
    SUTURE_TRY(Bytes cells, committed_bytes(plan.prepared));
    SUTURE_TRY(Bytes stubs, stub_bytes(plan.prepared));
    SUTURE_TRY(Bytes continuations, continuation_bytes(plan.prepared));
    plan.committed = plan.prepared;
    plan.committed.phase = Phase::live;
    SUTURE_TRY(plan.commit, commit_of(plan.committed, manifest.sequence));
    if (!ledger)
        plan.commit_write = write_between(block.committed().begin, cells, plan.commit.content);
    // A stub must exist before a cell behind it is used, and the ledger before anything it must tell of.
    auto& block_pages = ledger ? plan.replacements : plan.mappings;
    block_pages.push_back({block.committed(), std::move(cells), target::Protection::read,
                           plan.commit_write ? target::Backing::copy_on_write : target::Backing::sealed});
    if (!ledger || plan.prepared.functions.size() > known) {
        // Branches lead to stubs, and cells to continuations: nobody calls them by an address.
        const auto none = manifest.guarded ? std::optional(std::vector<Va>()) : std::nullopt;
        block_pages.push_back(
            {block.stubs(), std::move(stubs), target::Protection::read_execute, target::Backing::sealed, none});
        block_pages.push_back({block.continuations(), std::move(continuations), target::Protection::read_execute,
                               target::Backing::sealed, none});
    }
    plan.call_targets = call_targets_of(manifest.baseline_call_targets, plan.prepared.module_range.begin);
    std::ranges::move(image, std::back_inserter(plan.mappings));

    const isa::Isa* const isa = isa::isa_for(plan.prepared.machine);
    for (std::size_t i = known; i < plan.prepared.functions.size(); ++i) {
        SUTURE_TRY(auto writes, site_writes(plan.prepared, i));
        const LedgerFunction& function = plan.prepared.functions[i];
        const bool running = isa->needs_no_stop(function.site, function.entry_bytes);
        std::ranges::move(writes, std::back_inserter(running ? plan.page_sites : plan.sites));
    }
    return plan;
}

Result<Plan> plan_of_known(const Ledger& ledger, std::uint32_t sequence, std::span<const UpdatePart> parts) {
    Plan plan;
    plan.prepared = ledger;
    // One module alone is switched from live to live by one operation: there is nothing to prepare.
    if (parts.size() > 1) {
        plan.prepared.phase = Phase::preparing;
        plan.prepared.update = {
            false, static_cast<std::uint32_t>(ledger.functions.size()), {parts.begin(), parts.end()}};
        SUTURE_TRY(auto cells, commit_of(plan.prepared, ledger.active));
        plan.replacements.push_back(std::move(cells));
    }
    plan.committed = plan.prepared;
    plan.committed.phase = Phase::live;
    plan.committed.update = {false, static_cast<std::uint32_t>(ledger.functions.size()), {parts.begin(), parts.end()}};
    SUTURE_TRY(plan.commit, commit_of(plan.committed, sequence));
    return plan;
}

} // namespace suture::patch
