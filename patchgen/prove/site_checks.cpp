#include "patchgen/prove/checks.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::prove {

namespace {

using program::Program;

/// Which parts of an image redirect sites lie in.
class Sites {
  public:
    Sites(const Program& baseline, const package::Manifest& manifest)
        : marked_((std::size_t{baseline.image().size_of_image()} >> kBits) + 1) {
        for (const package::Replacement& function : manifest.functions) {
            mark({function.site.entry, function.site.original_size()});
            if (function.site.uses_pad())
                mark(function.site.pad_range());
        }
    }

    /// False if the range is nowhere near a site.
    bool may_touch(RvaRange range) const {
        const std::size_t last = std::min((range.end() - 1) >> kBits, marked_.size() - 1);
        for (std::size_t part = range.begin.value >> kBits; part <= last; ++part)
            if (marked_[part])
                return true;
        return false;
    }

  private:
    static constexpr unsigned kBits = 6; ///< 64 bytes to a part

    void mark(RvaRange range) {
        for (std::uint64_t at = range.begin.value >> kBits; at <= range.end() >> kBits && at < marked_.size(); ++at)
            marked_[at] = true;
    }

    std::vector<bool> marked_;
};

/// Bytes of an image around redirect sites that something refers to, by their first.
std::vector<RvaRange> referred_to(const Program& program, const Sites& sites) {
    std::vector<RvaRange> list;
    const auto add = [&](Rva at, std::uint32_t size = 1) {
        if (const RvaRange range{at, std::max(size, 1u)}; sites.may_touch(range))
            list.push_back(range);
    };
    for (const program::Function& function : program.functions()) {
        for (const program::Reference& reference : function.references)
            add(reference.target, reference.access_size);
        for (const program::JumpTable& table : function.jump_tables) {
            add(table.at, table.range().size);
            for (const Rva target : table.targets)
                add(target);
        }
        for (const std::uint32_t offset : program.inner_targets(function))
            add(function.range.begin + offset);
    }
    for (const pe::Relocation& field : program.relocations())
        if (const auto target = program.pointer_at(field.at))
            add(*target);
    for (const pe::Export& exported : program.exports())
        if (exported.forwarder.empty())
            add(exported.rva);
    for (const pe::RuntimeFunction& entry : program.runtime_functions())
        add(entry.range.begin);
    add(program.image().entry_point());
    std::ranges::sort(list);
    return list;
}

class SiteChecks {
  public:
    SiteChecks(const Program& baseline, const package::Manifest& manifest)
        : baseline_(baseline), manifest_(manifest), isa_(*isa::isa_for(manifest.machine)),
          referred_(referred_to(baseline, Sites(baseline, manifest))) {
        for (const RvaRange range : referred_)
            longest_ = std::max(longest_, range.size);
    }

    Result<void> run() const {
        std::vector<RvaRange> changed;
        for (const package::Replacement& function : manifest_.functions) {
            SUTURE_CHECK(check(function));
            changed.push_back({function.site.entry, function.site.original_size()});
            if (function.site.uses_pad())
                changed.push_back(function.site.pad_range());
        }
        std::ranges::sort(changed);
        const auto shared = std::ranges::adjacent_find(changed, [](RvaRange a, RvaRange b) { return a.overlaps(b); });
        if (shared != changed.end())
            return fail(Error(Code::proof_failed, "two redirect sites share bytes")
                            .in_image(baseline_.path())
                            .at(shared->begin));
        return {};
    }

  private:
    std::unexpected<Error> failed(const package::Replacement& function, std::string detail) const {
        return fail(Error(Code::proof_failed, std::move(detail))
                        .in_image(baseline_.path())
                        .at(function.baseline)
                        .in_function(function.name));
    }

    /// Bytes around an address, as many as there are in its section.
    Bytes bytes_around(Rva at, std::uint32_t before, std::uint32_t size) const {
        const pe::Section* section = baseline_.image().section_at(at);
        if (!section)
            return {};
        const Rva begin{std::max(section->range.begin.value, at.value < before ? 0 : at.value - before)};
        const auto bytes = baseline_.image().bytes_from(begin);
        if (!bytes)
            return {};
        return bytes->slice(0, std::min<std::uint64_t>(bytes->size(), at.value - begin.value + size))->copy();
    }

    Result<void> check(const package::Replacement& function) const {
        const isa::Site& site = function.site;
        const Bytes entry = bytes_around(site.entry, 0, isa::Isa::kEntryContext);
        const Bytes pad = site.uses_pad() ? bytes_around(site.pad, isa::Isa::kPadContext, site.pad_size) : Bytes();
        if (auto proved = isa_.prove_site(site, entry, pad); !proved)
            return fail(Error(Code::proof_failed, "its redirect site does not hold")
                            .in_image(baseline_.path())
                            .at(function.baseline)
                            .in_function(function.name)
                            .caused_by(std::move(proved).error()));
        const auto displaced = ByteView(entry).slice(0, site.displaced);
        if (!std::ranges::equal(function.entry_bytes, ByteView(entry).slice(0, site.original_size())->span()) ||
            (site.uses_pad() && !std::ranges::equal(function.pad_bytes, std::span(pad).last(site.pad_size))))
            return failed(function, "the original bytes of its redirect site are not the baseline's");
        // Somewhere above the module, as far as a block may lie.
        const Va base{0x1'8000'0000};
        const Va at = base + baseline_.image().size_of_image() + 0x1'0000;
        if (!isa_.is_no_op(*displaced)) {
            const auto continuation = isa_.encode_continuation(*displaced, base + site.entry.value, at);
            if (!continuation)
                return failed(function,
                              fmt::format("its continuation cannot be made: {}", continuation.error().message()));
        }
        if (!function.loops_to_entry && loops_to_entry(function))
            return failed(function, "it branches to its own entry, and the package does not say so");
        const RvaRange own{site.entry, site.original_size()};
        SUTURE_CHECK(check_untouched(function, {own.begin + 1, own.size - 1}));
        SUTURE_CHECK(check_unrelocated(function, own));
        if (!site.uses_pad())
            return {};
        const RvaRange fill = site.pad_range();
        for (std::uint32_t i = 0; i < fill.size; ++i)
            if (baseline_.function_at(fill.begin + i))
                return failed(function, fmt::format("its pad at 0x{:x} belongs to a function", fill.begin.value));
        SUTURE_CHECK(check_unrelocated(function, fill));
        return check_untouched(function, fill);
    }

    bool loops_to_entry(const package::Replacement& function) const {
        const program::Function* old = baseline_.function_at(function.baseline);
        const auto leads_back = [&](const program::Reference& reference) {
            return reference.target == function.baseline && reference.use == program::Use::jump;
        };
        const auto table_leads_back = [&](const program::JumpTable& table) {
            return std::ranges::count(table.targets, function.baseline) != 0;
        };
        return old && (std::ranges::any_of(old->references, leads_back) ||
                       std::ranges::any_of(old->jump_tables, table_leads_back));
    }

    Result<void> check_untouched(const package::Replacement& function, RvaRange changed) const {
        const Rva first{changed.begin.value < longest_ ? 0 : changed.begin.value - longest_};
        auto next = std::ranges::lower_bound(referred_, first, {}, &RvaRange::begin);
        for (; next != referred_.end() && next->begin.value < changed.end(); ++next)
            if (next->overlaps(changed))
                return failed(function,
                              fmt::format("something refers to 0x{:x}, which its redirect changes", next->begin.value));
        return {};
    }

    Result<void> check_unrelocated(const package::Replacement& function, RvaRange changed) const {
        for (std::uint32_t i = 0; i < changed.size; ++i)
            if (baseline_.relocated(changed.begin + i))
                return failed(function, "its redirect site holds an address that the loader adjusts");
        return {};
    }

    const Program& baseline_;
    const package::Manifest& manifest_;
    const isa::Isa& isa_;
    std::vector<RvaRange> referred_; ///< ascending
    std::uint32_t longest_ = 1;      ///< bytes
};

} // namespace

Result<void> check_sites(const Program& baseline, const package::Manifest& manifest) {
    return SiteChecks(baseline, manifest).run();
}

} // namespace suture::prove
