#include "patchgen/prove/prove.hpp"

#include "engine/pe/tls.hpp"
#include "patchgen/match/matcher.hpp"
#include "patchgen/prove/checks.hpp"
#include "patchgen/prove/equivalence.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace suture::prove {

using program::Function;
using program::Program;
using program::Use;

namespace {

// What lies between functions of a package: int3, and brk #0xf000.
constexpr std::array<std::uint8_t, 1> kX64Trap{0xcc};
constexpr std::array<std::uint8_t, 4> kArm64Trap{0x00, 0x00, 0x3e, 0xd4};

using Matches = std::optional<std::span<const std::pair<Rva, Rva>>>;

class Proving {
  public:
    Proving(const Program& baseline, const Program& updated, const Overlay& overlay, std::set<Rva> data_changes,
            Matches matches)
        : baseline_(baseline), updated_(updated), overlay_(overlay), matches_(matches),
          equivalence_(updated, overlay, std::move(data_changes)) {}

    Result<Proof> run() {
        SUTURE_CHECK(prove_entries());
        SUTURE_CHECK(prove_replaced());
        SUTURE_CHECK(equivalence_.prove_handlers());
        SUTURE_CHECK(equivalence_.prove_ends());
        SUTURE_CHECK(equivalence_.prove_rest());
        SUTURE_CHECK(equivalence_.prove_ends());
        SUTURE_CHECK(equivalence_.prove_handlers());
        SUTURE_CHECK(equivalence_.prove_ends());
        SUTURE_CHECK(equivalence_.prove_unwind_data());
        SUTURE_CHECK(equivalence_.prove_call_targets());
        SUTURE_CHECK(check_nothing_else());
        Proof proof = equivalence_.counts();
        proof.replaced = manifest().functions.size();
        return proof;
    }

  private:
    const package::Manifest& manifest() const { return overlay_.package().manifest(); }

    std::unexpected<Error> failed(Rva at, std::string function, std::string detail) const {
        return fail(Error(Code::proof_failed, std::move(detail))
                        .in_image(updated_.path())
                        .at(at)
                        .in_function(std::move(function)));
    }

    Result<void> prove_pair(Rva updated, Rva baseline, Use use) {
        return equivalence_.prove({updated, {false, baseline}, use, 0, nullptr, updated});
    }

    /// Where the images are entered from outside.
    Result<void> prove_entries() {
        const Rva entry = updated_.image().entry_point();
        const Rva old_entry = baseline_.image().entry_point();
        if ((entry.value == 0) != (old_entry.value == 0))
            return failed(entry, {}, "only one of the images has an entry point");
        if (entry.value != 0)
            SUTURE_CHECK(prove_pair(entry, old_entry, Use::call));
        SUTURE_TRY(const pe::TlsInfo tls, pe::tls_of(updated_.image()));
        SUTURE_TRY(const pe::TlsInfo old_tls, pe::tls_of(baseline_.image()));
        if (tls.callbacks.size() != old_tls.callbacks.size())
            return failed(
                entry, {},
                fmt::format("{} TLS callbacks, {} in the baseline", tls.callbacks.size(), old_tls.callbacks.size()));
        for (std::size_t i = 0; i < tls.callbacks.size(); ++i)
            SUTURE_CHECK(prove_pair(tls.callbacks[i], old_tls.callbacks[i], Use::call));
        for (const pe::Export& exported : updated_.exports()) {
            const auto old = std::ranges::find_if(baseline_.exports(), [&](const pe::Export& other) {
                return other.name == exported.name && (!exported.name.empty() || other.ordinal == exported.ordinal);
            });
            if (old == baseline_.exports().end() || old->forwarder != exported.forwarder)
                return failed(exported.rva, exported.name, "an export that the baseline does not have");
            if (exported.forwarder.empty())
                SUTURE_CHECK(prove_pair(exported.rva, old->rva, Use::address));
        }
        return {};
    }

    /// Replaced functions that no call and no pointer has led to yet.
    Result<void> prove_replaced() {
        for (const package::Replacement& replaced : manifest().functions) {
            if (equivalence_.proved_at(replaced.baseline))
                continue;
            SUTURE_TRY(const Function* counterpart, counterpart_of(replaced));
            SUTURE_CHECK(prove_pair(counterpart->range.begin, replaced.baseline, Use::call));
        }
        return {};
    }

    Result<const Function*> counterpart_of(const package::Replacement& replaced) {
        const Function* old = baseline_.function_at(replaced.baseline);
        const Function* found = nullptr;
        std::size_t count = 0;
        for (const Function& function : updated_.functions()) {
            const bool shared = std::ranges::any_of(
                function.names, [&](const std::string& name) { return std::ranges::count(old->names, name) != 0; });
            if (shared) {
                found = &function;
                ++count;
            }
        }
        if (count == 1)
            return found;
        const auto partners = partners_of(*old);
        if (partners.size() != 1)
            return failed({}, old->display_name(),
                          fmt::format("nothing says which function of the updated image replaces 0x{:x}",
                                      replaced.baseline.value));
        return partners.front();
    }

    std::vector<const Function*> partners_of(const Function& old) const {
        std::vector<const Function*> partners;
        if (matches_) {
            for (const auto& [from, to] :
                 std::ranges::equal_range(*matches_, old.range.begin, {}, &std::pair<Rva, Rva>::first))
                partners.push_back(updated_.function_at(to));
            return partners;
        }
        const match::Places from(baseline_);
        const match::Places to(updated_);
        const match::Matching matching = match::match(from, to);
        for (const std::uint32_t partner : matching.to_updated[from.index_of(old)])
            partners.push_back(&updated_.functions()[partner]);
        return partners;
    }

    /// What no proof has touched must do nothing.
    Result<void> check_nothing_else() const {
        for (const auto& [field, size] : overlay_.adjusted_in_package())
            if (!equivalence_.used_fields().contains(field))
                return failed({}, {}, fmt::format("package+0x{:x} is adjusted, but nothing uses it", field.value));
        SUTURE_CHECK(check_fill());
        for (const package::Replacement& replaced : manifest().functions) {
            const auto emitted = equivalence_.emitted().find(replaced.patch);
            if (emitted == equivalence_.emitted().end() || emitted->second->range.size != replaced.patch_size)
                return failed({}, replaced.name, "its replacement was not reached by the proof");
        }
        return {};
    }

    /// Between functions, veneers and tables there is nothing to be run, and these share no byte.
    Result<void> check_fill() const {
        std::vector<RvaRange> code;
        for (const auto& [at, function] : equivalence_.emitted())
            code.push_back({at, function->range.size});
        for (const auto& [at, veneer] : equivalence_.veneers())
            code.push_back({at, veneer.size});
        for (const auto& [at, size] : equivalence_.tables_in_code())
            code.push_back({at, size});
        std::ranges::sort(code);
        const auto shared = std::ranges::adjacent_find(code, [](RvaRange a, RvaRange b) { return a.overlaps(b); });
        if (shared != code.end())
            return failed({}, {}, fmt::format("package+0x{:x} is code of two functions", shared->begin.value));
        const ByteView trap =
            overlay_.package().image().machine() == Machine::arm64 ? ByteView(kArm64Trap) : ByteView(kX64Trap);
        for (const pe::Section& section : overlay_.package().image().sections()) {
            const auto bytes = section.executable() ? overlay_.package().image().content(section.range) : std::nullopt;
            auto next = code.begin();
            for (std::uint32_t i = 0; bytes && i < section.range.size;) {
                const Rva at = section.range.begin + i;
                while (next != code.end() && next->end() <= at.value)
                    ++next;
                if (next != code.end() && next->begin <= at) {
                    i = static_cast<std::uint32_t>(next->end() - section.range.begin.value);
                    continue;
                }
                if ((*bytes)[i] != trap[at.value % trap.size()])
                    return failed({}, {},
                                  fmt::format("package+0x{:x} holds code of no function that is known", at.value));
                ++i;
            }
        }
        return {};
    }

    const Program& baseline_;
    const Program& updated_;
    const Overlay& overlay_;
    const Matches matches_;
    Equivalence equivalence_;
};

} // namespace

Result<Proof> prove(const Program& baseline, const Program& updated, ByteView package,
                    std::span<const std::string> data_changes,
                    std::optional<std::span<const std::pair<Rva, Rva>>> matches) {
    SUTURE_TRY(const package::Package parsed, package::Package::parse(package));
    if (updated.image().machine() != baseline.image().machine())
        return fail(Code::proof_failed, "baseline and updated image are for different machines");
    SUTURE_CHECK(check_manifest(baseline, parsed.manifest()));
    SUTURE_CHECK(check_sites(baseline, parsed.manifest()));
    SUTURE_TRY(const Overlay overlay, Overlay::make(baseline, parsed));
    std::set<Rva> may_differ;
    for (const std::string& name : data_changes) {
        const program::DataObject* variable = program::data_called(updated, name);
        if (!variable || !variable->writable)
            return fail(Error(Code::data_not_changed, name).in_image(updated.path()));
        may_differ.insert(variable->range.begin);
    }
    return Proving(baseline, updated, overlay, std::move(may_differ), matches).run();
}

} // namespace suture::prove
