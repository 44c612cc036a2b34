#include "engine/patch/job.hpp"
#include "engine/patch/release.hpp"
#include "engine/patch/site_pages.hpp"
#include "engine/patch/verification.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::patch {

namespace {

/// Of the header of a module that imports lead to.
constexpr std::size_t kProviderBytes = 64;
/// For threads to come out of stubs and continuations: a few instructions each.
constexpr std::chrono::nanoseconds kTakeOutPatience = std::chrono::seconds(2);

/// Sites whose pages cannot be replaced are left to be written while stopped.
Result<void> leave_unfit_sites(target::Target& target, Plan& plan) {
    SUTURE_TRY(const auto regions, target.regions());
    std::vector<SiteWrite> fit;
    for (std::size_t first = 0, next = 0; first < plan.page_sites.size(); first = next) {
        bool all = true;
        for (; next < plan.page_sites.size() && plan.page_sites[next].function == plan.page_sites[first].function;
             ++next)
            all = all && in_plain_code(regions, {plan.page_sites[next].at, plan.page_sites[next].after.size()});
        const auto begin = plan.page_sites.begin() + static_cast<std::ptrdiff_t>(first);
        const auto end = plan.page_sites.begin() + static_cast<std::ptrdiff_t>(next);
        std::move(begin, end, std::back_inserter(all ? fit : plan.sites));
    }
    plan.page_sites = std::move(fit);
    return {};
}

/// Puts over `bytes`, which lie at `at`, what the sites that are placed have changed in them. `sites` ascend.
void add_sites(Va at, Bytes& bytes, std::span<const SiteWrite> sites) {
    constexpr std::uint64_t kLongest = 16; // of one write
    const Va from{at.value - std::min(at.value, kLongest)};
    for (auto write = std::ranges::lower_bound(sites, from, {}, &SiteWrite::at);
         write != sites.end() && write->at < at + bytes.size(); ++write)
        for (std::size_t i = 0; i < write->after.size(); ++i)
            if (VaRange{at, bytes.size()}.contains(write->at + i))
                bytes[(write->at + i) - at] = write->after[i];
}

Result<std::vector<Expected>> expectations(target::Target& target, const Job& job) {
    std::vector<Expected> expected;
    std::vector<SiteWrite> placed = job.plan.page_sites;
    std::ranges::sort(placed, {}, &SiteWrite::at);
    const auto add = [&](Expected::What what, RvaRange range) {
        const auto bytes = job.snapshot->image().bytes_at(range.begin, range.size);
        if (!bytes)
            return;
        expected.push_back({what, job.module.range.begin + range.begin.value, bytes->copy(), {}});
        add_sites(expected.back().at, expected.back().bytes, placed);
    };
    add(Expected::What::headers, {Rva{0}, std::min(job.snapshot->image().size_of_headers(), kPage)});
    for (const package::Replacement& function : job.package->manifest().functions)
        add(Expected::What::function, {function.baseline, function.baseline_size});
    for (const SiteWrite& write : job.plan.sites) {
        const LedgerFunction& function = job.plan.prepared.functions[write.function];
        const bool at_entry = write.at == job.module.range.begin + function.site.entry.value;
        expected.push_back({Expected::What::site, write.at, at_entry ? function.entry_bytes : write.before, {}});
    }
    for (const target::Module& provider : job.providers) {
        SUTURE_TRY(Bytes header, target::read_bytes(target, provider.range.begin, kProviderBytes));
        expected.push_back({Expected::What::provider, provider.range.begin, std::move(header), provider.name});
    }
    return expected;
}

} // namespace

void expect_sites(Job& job) {
    std::vector<SiteWrite> written = job.plan.sites;
    std::ranges::sort(written, {}, &SiteWrite::at);
    for (Expected& expected : job.expected)
        if (expected.what != Expected::What::provider)
            add_sites(expected.at, expected.bytes, written);
}

namespace {

/// Code that only functions run which this job gives a site, and what frees of it.
std::vector<Forbidden> forbid_added(const Job& job) {
    std::vector<Forbidden> forbidden;
    const Ledger& ledger = job.plan.prepared;
    if (!job.before) {
        forbid_mapped(forbidden, ledger);
        return forbidden;
    }
    for (std::size_t i = job.before->functions.size(); i < ledger.functions.size(); ++i) {
        const auto slot = static_cast<std::uint32_t>(i + 1);
        const isa::Site& site = ledger.functions[i].site;
        const std::string name = fmt::format("the stub of {}+0x{:x}", ledger.module, site.entry.value);
        forbidden.push_back({{ledger.block.stub(slot), isa::Isa::kStubSize}, name});
        forbidden.push_back({{ledger.block.continuation(slot), isa::Isa::kContinuationSize}, name});
        if (site.uses_pad())
            forbidden.push_back({{ledger.module_range.begin + site.pad.value, site.pad_size}, name});
    }
    for (const LedgerVersion& version : ledger.versions)
        if (!job.before->version(version.sequence))
            forbidden.push_back(
                {version.image, fmt::format("the code of sequence {} of {}", version.sequence, ledger.module)});
    return forbidden;
}

Result<void> restore_stopped(target::Target& target, target::Stop& stop, std::span<const SiteWrite> sites) {
    SUTURE_TRY(const auto writes, writes_to_undo(target, sites));
    return write_stopped(target, stop, writes);
}

/// Sites back to the baseline, and the proof that no thread is in what they led to.
Result<void> withdraw(target::Target& target, Job& job) {
    SUTURE_TRY(const auto writes, writes_to_undo(target, job.plan.page_sites));
    SUTURE_CHECK(write_by_pages(target, writes));
    CodeMap map(target);
    add_ledger_code(map, job.plan.prepared);
    const auto forbidden = forbid_added(job);
    Report unreported;
    SUTURE_CHECK(when_quiet(target, map, forbidden, target.now() + kTakeOutPatience, unreported,
                            [&](target::Stop& stop) { return restore_stopped(target, stop, job.plan.sites); }));
    job.sites_begun = job.commit_begun = false;
    return {};
}

/// The block as it was before a later package.
Result<void> restore_block(target::Target& target, Ledger before) {
    SUTURE_TRY(Bytes stubs, stub_bytes(before));
    SUTURE_TRY(Bytes continuations, continuation_bytes(before));
    SUTURE_TRY(const target::Mapping cells, commit_of(before, before.active));
    SUTURE_CHECK(target.replace({before.block.stubs(), std::move(stubs), target::Protection::read_execute}));
    SUTURE_CHECK(
        target.replace({before.block.continuations(), std::move(continuations), target::Protection::read_execute}));
    return target.replace(cells); // the ledger tells of it all until it is done
}

} // namespace

Error in_module(Error error, const Job& job) {
    if (error.place().image.empty())
        error.in_image(job.module.name);
    return error;
}

Result<void> place(target::Target& target, Job& job) {
    if (job.before)
        SUTURE_CHECK(check_in_force(target, *job.before));
    SUTURE_CHECK(leave_unfit_sites(target, job.plan));
    for (const target::Mapping& mapping : job.plan.replacements) {
        job.placed = true;
        SUTURE_CHECK(target.replace(mapping));
    }
    if (!job.plan.mappings.empty()) {
        job.placed = true;
        SUTURE_CHECK(target.map(job.plan.mappings));
    }
    if (job.plan.unwind) {
        auto known = target.register_unwind(*job.plan.unwind);
        job.unwind_begun = known || known.error().code() != Code::unwind_not_registered;
        SUTURE_CHECK(known);
    }
    if (!job.plan.call_targets.empty())
        SUTURE_CHECK(target.allow_calls(job.plan.call_targets));
    if (!job.plan.page_sites.empty()) {
        job.sites_begun = true;
        SUTURE_CHECK(write_by_pages(target, job.plan.page_sites));
    }
    SUTURE_TRY(job.commit, target.stage({&job.plan.commit, 1}));
    SUTURE_TRY(job.expected, expectations(target, job));
    return {};
}

Result<void> take_out(target::Target& target, Job& job) {
    job.commit.reset();
    if (!job.placed)
        return {};
    if (job.sites_begun || job.commit_begun)
        SUTURE_CHECK(withdraw(target, job));
    // What lies there and is not what was mapped was not mapped by this operation.
    std::vector<VaRange> others;
    if (job.before) {
        for (const LedgerVersion& version : job.plan.prepared.versions)
            if (!job.before->version(version.sequence))
                SUTURE_CHECK(release_version(target, version, others, job.unwind_begun));
        SUTURE_CHECK(restore_block(target, *job.before));
    } else {
        SUTURE_CHECK(release_all(target, job.plan.prepared, others, job.unwind_begun));
    }
    job.placed = false;
    return {};
}

} // namespace suture::patch
