#include "engine/patch/verification.hpp"

#include "engine/patch/identity_check.hpp"
#include "engine/patch/plan.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::patch {

namespace {

class Comparison {
  public:
    Comparison(target::Target& target, const Ledger& ledger) : target_(target), ledger_(ledger) {}

    Result<std::vector<Finding>> run() {
        SUTURE_CHECK(block());
        SUTURE_CHECK(versions());
        SUTURE_CHECK(sites());
        SUTURE_CHECK(module());
        return std::move(findings_);
    }

  private:
    void found(std::string what, Va at) { findings_.push_back({std::move(what), at}); }

    /// A part of the block against what it must hold.
    Result<void> part(std::string_view name, VaRange range, const Bytes& expected) {
        SUTURE_TRY(const Bytes is, target::read_bytes(target_, range.begin, expected.size()));
        if (is == expected)
            return {};
        const auto [a, b] = std::ranges::mismatch(is, expected);
        const auto at = range.begin + static_cast<std::uint64_t>(a - is.begin());
        found(fmt::format("the {} of {} hold {:02x} at 0x{:x}, not {:02x}", name, ledger_.module, *a, at.value, *b), at);
        return {};
    }

    Result<void> block() {
        SUTURE_TRY(const Bytes stubs, stub_bytes(ledger_));
        SUTURE_TRY(const Bytes continuations, continuation_bytes(ledger_));
        SUTURE_TRY(const Bytes committed, committed_bytes(ledger_));
        SUTURE_CHECK(part("stubs", ledger_.block.stubs(), stubs));
        SUTURE_CHECK(part("continuations", ledger_.block.continuations(), continuations));
        return part("cells and ledger", ledger_.block.committed(), committed);
    }

    Result<void> versions() {
        for (const LedgerVersion& version : ledger_.versions)
            for (const LedgerPages& pages : version.pages) {
                if (pages.protection == target::Protection::read_write)
                    continue;
                SUTURE_TRY(const Bytes is, target::read_bytes(target_, pages.range.begin, pages.range.size));
                if (digest_of(is) != pages.digest)
                    found(fmt::format("the pages of sequence {} of {} at 0x{:x}, {} bytes, are not as they were mapped",
                                      version.sequence, ledger_.module, pages.range.begin.value, pages.range.size),
                          pages.range.begin);
            }
        return {};
    }

    Result<void> sites() {
        for (std::size_t i = 0; i < ledger_.functions.size(); ++i) {
            SUTURE_TRY(const auto writes, site_writes(ledger_, i));
            for (const SiteWrite& write : writes) {
                SUTURE_TRY(const Bytes is, target::read_bytes(target_, write.at, write.after.size()));
                if (is != write.after)
                    found(fmt::format("the site at {}+0x{:x} holds {:02x}, not {:02x}", ledger_.module,
                                      write.at - ledger_.module_range.begin, fmt::join(is, " "),
                                      fmt::join(write.after, " ")),
                          write.at);
            }
        }
        return {};
    }

    Result<void> module() {
        SUTURE_TRY(const auto snapshot, Snapshot::take(target_, {ledger_.module, ledger_.module_range, {}}));
        const auto overlays = restored_sites(ledger_);
        SUTURE_TRY(const auto sections, pe::section_identities_of(snapshot->image(), snapshot->masked(), overlays));
        for (std::size_t i = 0; i < std::max(sections.size(), ledger_.sections.size()); ++i)
            if (i >= sections.size() || i >= ledger_.sections.size() || sections[i] != ledger_.sections[i]) {
                const Rva at = i < ledger_.sections.size() ? ledger_.sections[i].range.begin : sections[i].range.begin;
                found(fmt::format("the code of {} in the section at RVA 0x{:x} is not the baseline's", ledger_.module,
                                  at.value),
                      ledger_.module_range.begin + at.value);
            }
        return {};
    }

    target::Target& target_;
    const Ledger& ledger_;
    std::vector<Finding> findings_;
};

} // namespace

Result<std::vector<Finding>> find_differences(target::Target& target, const Ledger& ledger) {
    if (!isa::isa_for(ledger.machine))
        return fail(Code::machine_differs, "the ledger is for a machine that is not supported");
    return Comparison(target, ledger).run();
}

Result<void> verify_ledger(target::Target& target, const Ledger& ledger) {
    SUTURE_TRY(const auto findings, find_differences(target, ledger));
    if (findings.empty())
        return {};
    std::string detail = findings.front().what;
    if (findings.size() > 1)
        detail += fmt::format(" (and {} more differences)", findings.size() - 1);
    return fail(Error(Code::verification_failed, std::move(detail)).in_image(ledger.module));
}

Result<void> verify_in_force(target::Target& target, const Ledger& ledger) {
    auto same = verify_ledger(target, ledger);
    if (same || same.error().code() == Code::verification_failed || same.error().code() == Code::target_gone)
        return same;
    return fail(Error(Code::verification_failed, "it is in force, but could not be looked at again")
                    .in_image(ledger.module)
                    .caused_by(std::move(same).error()));
}

Result<void> check_in_force(target::Target& target, const Ledger& ledger) {
    SUTURE_TRY(const Bytes expected, committed_bytes(ledger));
    SUTURE_TRY(const Bytes found, target::read_bytes(target, ledger.block.committed().begin, expected.size()));
    if (found != expected)
        return fail(Error(Code::verification_failed, "its cells or its ledger are not those of this operation")
                        .in_image(ledger.module));
    return {};
}

Result<void> verify_baseline(target::Target& target, const Ledger& ledger) {
    SUTURE_TRY(const auto snapshot, Snapshot::take(target, {ledger.module, ledger.module_range, {}}));
    SUTURE_TRY(const auto header, pe::header_identity_of(snapshot->image()));
    if (header != ledger.baseline)
        return fail(Error(Code::verification_failed, "its headers are not the baseline's").in_image(ledger.module));
    SUTURE_TRY(const auto sections, pe::section_identities_of(snapshot->image(), snapshot->masked()));
    if (sections != ledger.sections)
        return fail(Error(Code::verification_failed, "its code is not the baseline's").in_image(ledger.module));
    return {};
}

} // namespace suture::patch
