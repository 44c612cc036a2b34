#include "engine/patch/ledger.hpp"

#include "engine/package/limits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace suture::patch {

namespace {

// What of a version's id is kept; a longer one is cut when it is written.
constexpr std::size_t kMaxId = 256;
// A file name of 255 UTF-16 units, as UTF-8.
constexpr std::size_t kMaxModule = 765;
constexpr std::size_t kMaxRetired = 1u << 16;
constexpr std::size_t kMaxVersions = 4096;
constexpr std::size_t kMaxSections = 96;
// The longest site: 15 bytes of a last instruction that starts at byte 5.
constexpr std::size_t kMaxEntryBytes = 32;
constexpr std::size_t kMaxPadBytes = isa::Isa::kWideBranchSize;
constexpr std::size_t kMaxPages = 16;
// One for each module that a process may be thought to have patched.
constexpr std::size_t kMaxLedgers = 1024;
constexpr std::size_t kMaxParts = kMaxLedgers;
// Of one update, that room is reserved for.
constexpr std::size_t kPartsReserved = 32;
// The smaller of the two machines': Arm64's.
constexpr std::size_t kRuntimeFunctionSize = 8;
constexpr std::uint32_t kMagic = 0x474c'5553; // "SULG"
constexpr std::uint32_t kFormat = 6;

class Writer {
  public:
    template <class T>
    void number(T value) {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
        out_.insert(out_.end(), bytes, bytes + sizeof(T));
    }
    void bytes(ByteView view) { out_.insert(out_.end(), view.begin(), view.end()); }
    void short_bytes(ByteView view) {
        number(static_cast<std::uint16_t>(view.size()));
        bytes(view);
    }
    void text(std::string_view text, std::size_t limit) {
        text = text.substr(0, limit);
        short_bytes({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    }
    void range(VaRange range) {
        number(range.begin.value);
        number(range.size);
    }
    Bytes take() && { return std::move(out_); }
    const Bytes& so_far() const { return out_; }

  private:
    Bytes out_;
};

// Reads until something does not fit; from then on everything it gives is zero and ok() is false.
class Reader {
  public:
    explicit Reader(ByteView bytes) : bytes_(bytes) {}

    template <class T>
    T number() {
        const auto value = bytes_.read<T>(at_);
        if (!value) {
            ok_ = false;
            return T{};
        }
        at_ += sizeof(T);
        return *value;
    }
    ByteView bytes(std::size_t size) {
        const auto view = bytes_.slice(at_, size);
        if (!view) {
            ok_ = false;
            return {};
        }
        at_ += size;
        return *view;
    }
    Bytes short_bytes(std::size_t limit) {
        const std::size_t size = count<std::uint16_t>(limit);
        return bytes(size).copy();
    }
    std::string text(std::size_t limit) {
        const Bytes raw = short_bytes(limit);
        return std::string(raw.begin(), raw.end());
    }
    VaRange range() {
        const Va begin{number<std::uint64_t>()};
        const auto size = number<std::uint64_t>();
        if (size > ~begin.value)
            ok_ = false;
        return {begin, size};
    }
    Digest digest() {
        Digest digest;
        const ByteView view = bytes(digest.bytes.size());
        if (ok_)
            std::ranges::copy(view, digest.bytes.begin());
        return digest;
    }
    template <class T>
    T count(std::size_t limit) {
        const T value = number<T>();
        if (value > limit) {
            ok_ = false;
            return T{};
        }
        return value;
    }
    void require(bool condition) { ok_ = ok_ && condition; }
    bool ok() const { return ok_; }
    std::size_t position() const { return at_; }

  private:
    ByteView bytes_;
    std::size_t at_ = 0;
    bool ok_ = true;
};

void write_function(Writer& out, const LedgerFunction& function) {
    out.number(static_cast<std::uint8_t>(function.site.kind));
    out.number(function.site.entry.value);
    out.number(function.site.entry_size);
    out.number(function.site.pad.value);
    out.number(function.site.displaced);
    out.number(function.baseline_size);
    out.short_bytes(function.entry_bytes);
    out.short_bytes(function.pad_bytes);
}

LedgerFunction read_function(Reader& in) {
    LedgerFunction function;
    const auto kind = isa::site_kind_from(in.number<std::uint8_t>());
    in.require(kind.has_value());
    function.site.kind = kind.value_or(isa::SiteKind::x64_padded);
    function.site.entry = Rva{in.number<std::uint32_t>()};
    function.site.entry_size = in.number<std::uint32_t>();
    function.site.pad = Rva{in.number<std::uint32_t>()};
    function.site.displaced = in.number<std::uint32_t>();
    function.baseline_size = in.number<std::uint32_t>();
    function.entry_bytes = in.short_bytes(kMaxEntryBytes);
    function.pad_bytes = in.short_bytes(kMaxPadBytes);
    in.require(function.site.original_size() == function.entry_bytes.size());
    if (function.site.uses_pad()) {
        function.site.pad_size = static_cast<std::uint32_t>(function.pad_bytes.size());
        in.require(function.site.pad_size == isa::Isa::kBranchSize ||
                   function.site.pad_size == isa::Isa::kWideBranchSize);
    } else {
        in.require(function.pad_bytes.empty());
    }
    return function;
}

void write_update(Writer& out, const Update& update) {
    out.number(static_cast<std::uint8_t>(update.fresh));
    out.number(update.functions);
    out.number(static_cast<std::uint16_t>(update.parts.size()));
    for (const UpdatePart& part : update.parts) {
        out.number(part.module.value);
        out.number(part.sequence);
    }
}

Update read_update(Reader& in) {
    Update update;
    update.fresh = in.count<std::uint8_t>(1) != 0;
    update.functions = in.number<std::uint32_t>();
    const auto parts = in.count<std::uint16_t>(kMaxParts);
    for (std::size_t i = 0; i < parts && in.ok(); ++i) {
        const Va module{in.number<std::uint64_t>()};
        update.parts.push_back({module, in.number<std::uint32_t>()});
    }
    return update;
}

/// What an update says of the ledger that it is in.
bool is_consistent(const Ledger& ledger) {
    const Update& update = ledger.update;
    const auto by_module = [](const UpdatePart& a, const UpdatePart& b) { return a.module >= b.module; };
    if (update.functions > ledger.functions.size() ||
        std::ranges::adjacent_find(update.parts, by_module) != update.parts.end())
        return false;
    const UpdatePart* const part = ledger.part();
    if (!part)
        return update.parts.empty() && ledger.phase != Phase::preparing;
    // Undoing a fresh version must leave the one in force.
    return ledger.version(part->sequence) &&
           !(ledger.phase == Phase::preparing && update.fresh && ledger.active == part->sequence);
}

void write_version(Writer& out, const LedgerVersion& version) {
    out.number(version.sequence);
    out.text(version.id, kMaxId);
    out.bytes(version.package.bytes);
    out.range(version.image);
    out.number(static_cast<std::uint16_t>(version.pages.size()));
    for (const LedgerPages& pages : version.pages) {
        out.range(pages.range);
        out.number(static_cast<std::uint8_t>(pages.protection));
        out.bytes(pages.digest.bytes);
    }
    out.number(static_cast<std::uint32_t>(version.retired.size()));
    for (const RvaRange& range : version.retired) {
        out.number(range.begin.value);
        out.number(range.size);
    }
    out.number(static_cast<std::uint32_t>(version.globals.size()));
    for (const LedgerGlobal& global : version.globals) {
        out.bytes(global.name_digest.bytes);
        out.text(global.name, kMaxGlobalName);
        out.number(global.at.value);
        out.number(global.size);
    }
    out.number(version.unwind.value);
    out.number(version.unwind_count);
    for (const Va cell : version.cells)
        out.number(cell.value);
}

/// Values are read from and written to where a global is said to lie: that must be data of its own version.
bool lies_in_data(const LedgerVersion& version, const LedgerGlobal& global) {
    const VaRange range{version.image.begin + global.at.value, global.size};
    return std::ranges::any_of(version.pages, [&](const LedgerPages& pages) {
        return pages.protection == target::Protection::read_write && pages.range.begin <= range.begin &&
               range.end() <= pages.range.end();
    });
}

void read_globals(Reader& in, LedgerVersion& version) {
    const auto count = in.count<std::uint32_t>(package::kMaxGlobals);
    std::uint64_t end = 0;
    for (std::size_t i = 0; i < count && in.ok(); ++i) {
        LedgerGlobal& global = version.globals.emplace_back();
        global.name_digest = in.digest();
        global.name = in.text(kMaxGlobalName);
        global.at = Rva{in.number<std::uint32_t>()};
        global.size = in.number<std::uint32_t>();
        in.require(global.size != 0 && global.at.value >= end && lies_in_data(version, global));
        end = std::uint64_t{global.at.value} + global.size;
    }
}

/// The process's unwinder is told of the table, and reads it.
void read_unwind(Reader& in, LedgerVersion& version) {
    version.unwind = Rva{in.number<std::uint32_t>()};
    version.unwind_count = in.count<std::uint32_t>(package::kMaxRuntimeFunctions);
    const VaRange table{version.unwind_table().at, std::uint64_t{version.unwind_count} * kRuntimeFunctionSize};
    in.require(version.unwind_count == 0 ? version.unwind == Rva{}
                                         : std::ranges::any_of(version.pages, [&](const LedgerPages& pages) {
                                               return pages.protection == target::Protection::read &&
                                                      pages.range.begin <= table.begin &&
                                                      table.end() <= pages.range.end();
                                           }));
}

LedgerVersion read_version(Reader& in, std::size_t functions) {
    LedgerVersion version;
    version.sequence = in.number<std::uint32_t>();
    version.id = in.text(kMaxId);
    version.package = in.digest();
    version.image = in.range();
    const auto pages = in.count<std::uint16_t>(kMaxPages);
    for (std::size_t i = 0; i < pages && in.ok(); ++i) {
        LedgerPages& one = version.pages.emplace_back();
        one.range = in.range();
        const auto protection = in.count<std::uint8_t>(static_cast<std::uint8_t>(target::Protection::read_execute));
        one.protection = static_cast<target::Protection>(protection);
        one.digest = in.digest();
    }
    // A package image is bounded, and its pages lie in it, ascending.
    in.require(version.image.size <= package::kMaxImageSize);
    Va end = version.image.begin;
    for (const LedgerPages& one : version.pages) {
        in.require(one.range.begin >= end && one.range.size <= version.image.size &&
                   one.range.end() <= version.image.end());
        end = one.range.end();
    }
    const auto retired = in.count<std::uint32_t>(kMaxRetired);
    for (std::size_t i = 0; i < retired && in.ok(); ++i) {
        RvaRange& range = version.retired.emplace_back();
        range.begin = Rva{in.number<std::uint32_t>()};
        range.size = in.number<std::uint32_t>();
    }
    read_globals(in, version);
    read_unwind(in, version);
    for (std::size_t i = 0; i < functions && in.ok(); ++i)
        version.cells.push_back(Va{in.number<std::uint64_t>()});
    return version;
}

} // namespace

const LedgerVersion* Ledger::version(std::uint32_t sequence) const {
    const auto found = std::ranges::find(versions, sequence, &LedgerVersion::sequence);
    return found == versions.end() ? nullptr : &*found;
}

std::size_t Ledger::redirected() const {
    const LedgerVersion* const found = version(active);
    return found ? found->cells.size() - static_cast<std::size_t>(std::ranges::count(found->cells, Va{0})) : 0;
}

const UpdatePart* Ledger::part() const {
    const auto found = std::ranges::find(update.parts, module_range.begin, &UpdatePart::module);
    return found == update.parts.end() ? nullptr : &*found;
}

Va Ledger::continuation(std::size_t index) const {
    const LedgerFunction& function = functions[index];
    const isa::Isa* isa = isa::isa_for(machine);
    if (isa && isa->is_no_op(function.displaced()))
        return module_range.begin + function.site.entry.value + function.site.displaced;
    return block.continuation(static_cast<std::uint32_t>(index + 1));
}

Va Ledger::destination(std::size_t index, std::uint32_t sequence) const {
    const LedgerVersion* const found = version(sequence);
    if (!found || found->cells[index] == Va{0})
        return continuation(index);
    return found->cells[index];
}

std::uint64_t ledger_state(std::uint32_t active, Phase phase, const Digest& record) {
    Writer out;
    out.number(active);
    out.number(static_cast<std::uint8_t>(phase));
    out.bytes(record.bytes);
    const Digest digest = digest_of(out.so_far());
    std::uint64_t state = active | std::uint64_t{static_cast<std::uint8_t>(phase)} << 32;
    for (std::size_t i = 0; i < 3; ++i)
        state |= std::uint64_t{digest.bytes[i]} << (40 + 8 * i);
    return state;
}

Bytes serialize(const Ledger& ledger) {
    Writer out;
    out.number(kMagic);
    out.number(kFormat);
    out.number(static_cast<std::uint16_t>(ledger.machine));
    out.number(ledger.block.base.value);
    out.number(ledger.block.stub_pages);
    out.number(ledger.block.ledger_pages);
    out.text(ledger.module, kMaxModule);
    out.range(ledger.module_range);
    out.number(ledger.baseline.time_date_stamp);
    out.number(ledger.baseline.checksum);
    out.number(ledger.baseline.size_of_image);
    out.number(static_cast<std::uint8_t>(ledger.baseline.has_pdb));
    out.bytes(ledger.baseline.pdb_guid);
    out.number(ledger.baseline.pdb_age);
    out.number(static_cast<std::uint16_t>(ledger.sections.size()));
    for (const pe::SectionIdentity& section : ledger.sections) {
        out.number(section.range.begin.value);
        out.number(section.range.size);
        out.bytes(section.digest.bytes);
    }
    write_update(out, ledger.update);
    out.number(static_cast<std::uint32_t>(ledger.functions.size()));
    for (const LedgerFunction& function : ledger.functions)
        write_function(out, function);
    out.number(static_cast<std::uint16_t>(ledger.versions.size()));
    for (const LedgerVersion& version : ledger.versions)
        write_version(out, version);
    const Digest digest = digest_of(out.so_far());
    out.bytes(digest.bytes);
    Writer whole;
    whole.number(ledger_state(ledger.active, ledger.phase, digest));
    whole.bytes(out.so_far());
    return std::move(whole).take();
}

Result<Ledger> parse_ledger(ByteView bytes) {
    Reader in(bytes);
    Ledger ledger;
    const auto state = in.number<std::uint64_t>();
    in.require(in.number<std::uint32_t>() == kMagic);
    in.require(in.number<std::uint32_t>() == kFormat);
    if (!in.ok())
        return fail(Code::ledger_damaged, "it does not start with the mark and version of a ledger");
    const auto machine = in.number<std::uint16_t>();
    in.require(machine == static_cast<std::uint16_t>(Machine::x64) ||
               machine == static_cast<std::uint16_t>(Machine::arm64));
    ledger.machine = static_cast<Machine>(machine);
    ledger.baseline.machine = ledger.machine;
    ledger.block.base = Va{in.number<std::uint64_t>()};
    ledger.block.stub_pages = in.count<std::uint32_t>(Block::kMaxStubPages);
    ledger.block.ledger_pages = in.count<std::uint32_t>(Block::kMaxLedgerPages);
    in.require(ledger.block.stub_pages > 0 && ledger.block.ledger_pages > 0);
    in.require(ledger.block.base.value % kPage == 0);
    in.require(ledger.block.base.value < (std::uint64_t{1} << 48));
    ledger.module = in.text(kMaxModule);
    ledger.module_range = in.range();
    ledger.baseline.time_date_stamp = in.number<std::uint32_t>();
    ledger.baseline.checksum = in.number<std::uint32_t>();
    ledger.baseline.size_of_image = in.number<std::uint32_t>();
    ledger.baseline.has_pdb = in.count<std::uint8_t>(1) != 0;
    const ByteView guid = in.bytes(ledger.baseline.pdb_guid.size());
    if (in.ok())
        std::ranges::copy(guid, ledger.baseline.pdb_guid.begin());
    ledger.baseline.pdb_age = in.number<std::uint32_t>();
    const auto sections = in.count<std::uint16_t>(kMaxSections);
    for (std::size_t i = 0; i < sections && in.ok(); ++i) {
        pe::SectionIdentity& section = ledger.sections.emplace_back();
        section.range.begin = Rva{in.number<std::uint32_t>()};
        section.range.size = in.number<std::uint32_t>();
        section.digest = in.digest();
    }
    const auto phase = static_cast<std::uint8_t>(state >> 32);
    in.require(phase >= static_cast<std::uint8_t>(Phase::preparing) &&
               phase <= static_cast<std::uint8_t>(Phase::removing));
    ledger.phase = static_cast<Phase>(phase);
    ledger.active = static_cast<std::uint32_t>(state);
    ledger.update = read_update(in);
    const auto functions = in.count<std::uint32_t>(in.ok() ? ledger.block.max_functions() : 0);
    for (std::size_t i = 0; i < functions && in.ok(); ++i)
        ledger.functions.push_back(read_function(in));
    const auto versions = in.count<std::uint16_t>(kMaxVersions);
    for (std::size_t i = 0; i < versions && in.ok(); ++i)
        ledger.versions.push_back(read_version(in, functions));
    const std::size_t covered = in.position();
    const Digest digest = in.digest();
    if (!in.ok())
        return fail(Code::ledger_damaged, fmt::format("a field before offset {} is out of bounds", covered));
    if (digest != digest_of(*bytes.slice(kLedgerState, covered - kLedgerState)) ||
        state != ledger_state(ledger.active, ledger.phase, digest))
        return fail(Code::ledger_damaged, "its digest does not match its content");
    const auto ascending = [](const auto& list, auto key) {
        return std::ranges::adjacent_find(list, std::ranges::greater_equal{}, key) == list.end();
    };
    if (!ascending(ledger.versions, &LedgerVersion::sequence) ||
        (!ledger.versions.empty() && ledger.versions.front().sequence == 0) ||
        (ledger.active != 0 && !ledger.version(ledger.active)))
        return fail(Code::ledger_damaged, "its versions contradict each other");
    if (!is_consistent(ledger))
        return fail(Code::ledger_damaged, "what it says of its last update contradicts the rest");
    return ledger;
}

Result<Bytes> committed_bytes(const Ledger& ledger) {
    const Bytes record = serialize(ledger);
    if (ledger.functions.size() > ledger.block.max_functions() ||
        record.size() - kLedgerState > ledger.block.ledger().size || ledger.update.parts.size() > kMaxParts)
        return fail(
            Error(Code::block_full, fmt::format("{} functions in {} versions need {} bytes of ledger, {} are reserved",
                                                ledger.functions.size(), ledger.versions.size(), record.size(),
                                                ledger.block.ledger().size))
                .in_image(ledger.module));
    Bytes bytes(static_cast<std::size_t>(ledger.block.committed().size));
    const auto put_cell = [&](std::size_t slot, std::uint64_t value) {
        std::memcpy(bytes.data() + slot * sizeof(value), &value, sizeof(value));
    };
    put_cell(0, block_mark(ledger.block.stub_pages));
    for (std::size_t i = 0; i < ledger.functions.size(); ++i)
        put_cell(i + 1, ledger.destination(i, ledger.active).value);
    std::ranges::copy(record, bytes.begin() + static_cast<std::ptrdiff_t>(ledger.block.cells().size - kLedgerState));
    return bytes;
}

std::uint64_t ledger_size(std::size_t functions, std::size_t versions, std::size_t sections, std::size_t retired,
                          std::size_t globals) {
    constexpr std::uint64_t kFixed = 130 + kMaxModule + kPartsReserved * 12;
    constexpr std::uint64_t kPerSection = 24;
    constexpr std::uint64_t kPerFunction = 21 + 2 + kMaxEntryBytes + 2 + kMaxPadBytes;
    constexpr std::uint64_t kPerGlobal = 26 + kMaxGlobalName;
    constexpr std::uint64_t kPerVersion = 56 + kMaxId + kMaxPages * 33;
    return kFixed + sections * kPerSection + functions * kPerFunction +
           versions * (kPerVersion + (functions + retired) * 8 + globals * kPerGlobal);
}

Result<std::vector<Ledger>> find_ledgers(target::Target& target) {
    SUTURE_TRY(const auto regions, target.regions());
    std::vector<Ledger> ledgers;
    for (const target::Region& region : regions) {
        if (!region.readable || region.writable || region.executable || region.range.size < 2 * kPage)
            continue;
        std::uint64_t mark = 0;
        if (!target.read(region.range.begin, {reinterpret_cast<std::uint8_t*>(&mark), sizeof(mark)}))
            continue;
        if (!is_block_mark(mark))
            continue;
        const auto stub_pages = static_cast<std::uint32_t>(mark >> 48);
        const std::uint64_t cells = std::uint64_t{stub_pages} * kPage;
        if (region.range.size <= cells)
            continue;
        const std::uint64_t room =
            std::min<std::uint64_t>(region.range.size - cells, std::uint64_t{Block::kMaxLedgerPages} * kPage);
        SUTURE_TRY(const Bytes bytes,
                   target::read_bytes(target, region.range.begin + (cells - kLedgerState), room + kLedgerState));
        auto ledger = parse_ledger(bytes);
        const bool in_place =
            ledger && ledger->block.cells().begin == region.range.begin && ledger->block.stub_pages == stub_pages;
        if (!in_place) {
            // A commit that is prepared aside looks like one, and so does what is left of it.
            SUTURE_TRY(const target::Remains remains, target.remains());
            if (std::ranges::any_of(remains.aside, [&](VaRange one) { return one.overlaps(region.range); }))
                continue;
        }
        if (!ledger)
            return fail(
                Error(Code::ledger_damaged, fmt::format("the block at 0x{:x}", region.range.begin.value - cells))
                    .caused_by(std::move(ledger).error()));
        if (!in_place)
            return fail(Code::ledger_damaged, fmt::format("the block at 0x{:x} says that it lies at 0x{:x}",
                                                          region.range.begin.value - cells, ledger->block.base.value));
        if (ledgers.size() == kMaxLedgers)
            return fail(Code::ledger_damaged, fmt::format("more than {} ledgers", kMaxLedgers));
        ledgers.push_back(std::move(*ledger));
    }
    return ledgers;
}

Result<void> check_final(const Ledger& ledger, std::span<const Ledger> all) {
    const auto cut_off = [&](std::string what) {
        return fail(Error(Code::needs_recover, std::move(what)).in_image(ledger.module));
    };
    if (ledger.phase != Phase::live)
        return cut_off("its ledger is not in a final state");
    for (const Ledger& other : all)
        if (other.phase == Phase::preparing && std::ranges::find(other.update.parts, ledger.module_range.begin,
                                                                 &UpdatePart::module) != other.update.parts.end())
            return cut_off(fmt::format("the ledger of {}, which belongs to the same update, is not in a final state",
                                       other.module));
    return {};
}

Result<Ledger> ledger_of(target::Target& target, std::string_view module) {
    SUTURE_TRY(const auto ledgers, find_ledgers(target));
    SUTURE_TRY(const auto modules, target.modules());
    // A module that was unloaded while patched leaves its ledger behind: the one that is loaded counts.
    const Ledger* found = nullptr;
    for (const Ledger& ledger : ledgers) {
        const bool loaded =
            std::ranges::any_of(modules, [&](const target::Module& one) { return one.range == ledger.module_range; });
        if (target::same_file_name(ledger.module, module) && (!found || loaded))
            found = &ledger;
    }
    if (found) {
        SUTURE_CHECK(check_final(*found, ledgers));
        return *found;
    }
    return fail(Error(Code::not_patched, fmt::format("process {} holds no ledger of it", target.pid()))
                    .in_image(std::string(module)));
}

} // namespace suture::patch
