#include "engine/patch/identity_check.hpp"
#include "engine/patch/import_resolution.hpp"
#include "engine/patch/job.hpp"
#include "engine/patch/placement.hpp"
#include "engine/patch/recovery.hpp"
#include "engine/patch/verification.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::patch {

namespace {

std::vector<FunctionName> names_of(const package::Manifest& manifest) {
    std::vector<FunctionName> names;
    for (const package::Replacement& function : manifest.functions)
        names.push_back({function.baseline, function.name});
    return names;
}

/// Refuses what the ledger rules out; true where the package's version is there already and only has to be committed.
Result<bool> check_sequence(const package::Package& package, const Ledger& ledger, std::span<const Ledger> all) {
    const package::Manifest& manifest = package.manifest();
    const auto refuse = [&](Code code, std::string detail) {
        return fail(Error(code, std::move(detail)).in_image(ledger.module));
    };
    SUTURE_CHECK(check_final(ledger, all));
    const LedgerVersion* const same = ledger.version(manifest.sequence);
    if (same && same->package != package.digest())
        return refuse(Code::sequence_taken, fmt::format("sequence {} is \"{}\", the package is \"{}\"",
                                                        manifest.sequence, same->id, manifest.id));
    if (manifest.sequence < ledger.active)
        return refuse(Code::sequence_lower,
                      fmt::format("sequence {} is in force, the package is {}", ledger.active, manifest.sequence));
    if (same && ledger.active == manifest.sequence)
        return refuse(Code::already_applied, fmt::format("sequence {}, \"{}\"", manifest.sequence, manifest.id));
    return same != nullptr;
}

Result<void> check_minimum(const package::Manifest& manifest, std::uint32_t active) {
    if (active < manifest.min_sequence)
        return fail(
            Error(Code::sequence_too_old, fmt::format("sequence {} is in force, the package asks for {} at least",
                                                      active, manifest.min_sequence))
                .in_image(manifest.module));
    return {};
}

Result<Placement> choose_placement(target::Target& target, const Job& job, std::vector<VaRange>& taken) {
    const isa::Isa& isa = *isa::isa_for(job.package->manifest().machine);
    SUTURE_TRY(const auto regions, target.regions());
    Placement placement;
    if (job.before) {
        placement.block = job.before->block;
    } else {
        SUTURE_TRY(placement.block, block_for(job.package->manifest()));
        SUTURE_TRY(placement.block.base,
                   find_gap(regions, taken, job.module, placement.block.whole().size, isa.reach()));
        taken.push_back(placement.block.whole());
    }
    const std::uint64_t size = pages_up(job.package->image().size_of_image());
    // Distances from the baseline to the package must not be negative where code takes them for RVAs.
    const bool has_rvas = std::ranges::any_of(job.package->manifest().fixups, [](const package::Fixup& fixup) {
        return fixup.kind == package::FixupKind::image_relative32;
    });
    SUTURE_TRY(placement.image,
               find_gap(regions, taken, job.module, size, isa.reach(), has_rvas ? Side::behind : Side::either));
    taken.push_back({placement.image, size});
    placement.unwind = target.registers_unwind();
    return placement;
}

/// What the packages are for; those whose module is not there are refused later.
Result<std::vector<UpdatePart>> parts_of(target::Target& target, std::span<const package::Package> packages) {
    SUTURE_TRY(const auto modules, target.modules());
    std::vector<UpdatePart> parts;
    for (const package::Package& package : packages)
        if (const auto found = std::ranges::find_if(
                modules,
                [&](const target::Module& one) { return target::same_file_name(one.name, package.manifest().module); });
            found != modules.end())
            parts.push_back({found->range.begin, package.manifest().sequence});
    std::ranges::sort(parts);
    return parts;
}

/// All checks, and the plan. Changes nothing.
Result<Job> prepare_job(target::Target& target, const package::Package& package, std::span<const Ledger> ledgers,
                        std::span<const UpdatePart> parts, std::vector<VaRange>& taken) {
    const package::Manifest& manifest = package.manifest();
    Job job;
    job.package = &package;
    if (manifest.machine != target.machine() || !isa::isa_for(manifest.machine))
        return fail(Error(Code::machine_differs, fmt::format("the package is for {}, the process runs {}",
                                                             name_of(manifest.machine), name_of(target.machine())))
                        .in_image(manifest.module));
    SUTURE_TRY(job.module, target::find_module(target, manifest.module));
    bool known = false;
    const auto ledger = std::ranges::find(ledgers, job.module.range, &Ledger::module_range);
    if (ledger != ledgers.end()) {
        job.before = *ledger;
        SUTURE_TRY(const bool stale, is_stale(target, *ledger, {&job.module, 1}));
        if (stale)
            return fail(Error(Code::needs_recover, "it was unloaded while it was patched, and loaded again")
                            .in_image(job.module.name));
        const auto there = check_sequence(package, *ledger, ledgers);
        // Nobody is told that nothing has to be done before that was looked at: the module may be unloaded by now.
        if (!there && there.error().code() == Code::already_applied)
            SUTURE_CHECK(verify_ledger(target, *ledger));
        if (!there)
            return fail(there.error());
        known = *there;
    }
    SUTURE_CHECK(check_minimum(manifest, job.before ? job.before->active : 0));
    // Before as much memory is taken as the process says.
    if (pages_up(job.module.range.size) != pages_up(manifest.baseline.size_of_image))
        return fail(
            Error(Code::identity_header_differs, fmt::format("it is loaded with 0x{:x} bytes, the baseline has 0x{:x}",
                                                             job.module.range.size, manifest.baseline.size_of_image))
                .in_image(job.module.name));
    SUTURE_TRY(job.snapshot, Snapshot::take(target, job.module));
    SUTURE_CHECK(check_identity(target, manifest, *job.snapshot, job.before ? &*job.before : nullptr));
    if (job.before)
        SUTURE_CHECK(verify_ledger(target, *job.before));
    if (known) {
        SUTURE_TRY(job.plan, plan_of_known(*job.before, manifest.sequence, parts));
        return job;
    }
    SUTURE_TRY(auto imports, resolve_imports(target, package));
    job.providers = std::move(imports.providers);
    SUTURE_TRY(const Placement placement, choose_placement(target, job, taken));
    SUTURE_TRY(job.plan,
               make_plan(package, *job.snapshot, job.before ? &*job.before : nullptr, placement, imports.slots, parts));
    return job;
}

/// What becomes of globals, once the plan is made. Error: global_resized.
Result<void> plan_state(Job& job) {
    if (!job.before)
        return {};
    job.state = transfer_between(job.plan.committed, job.before->active, job.plan.committed.active);
    const auto resized = std::ranges::find(job.state.notes, StateNote::What::resized, &StateNote::what);
    if (resized == job.state.notes.end())
        return {};
    return fail(Error(Code::global_resized, fmt::format("{} has {} bytes in sequence {}", resized->name, resized->size,
                                                        job.plan.committed.active))
                    .in_image(job.module.name));
}

/// `first` is true where nothing of the process was patched before.
Error undone(target::Target& target, std::vector<Job>& jobs, bool first, Error error) {
    if (error.code() == Code::needs_recover)
        return error; // sites may lead to what was placed: it must stay
    for (Job& job : jobs)
        if (auto out = take_out(target, job); !out && out.error().code() != Code::target_gone)
            return Error(Code::needs_recover,
                         fmt::format("what had been prepared could not be taken out ({})", out.error().detail()))
                .in_image(job.module.name)
                .caused_by(std::move(error));
    if (first && error.code() != Code::target_gone)
        if (auto left = target.leave(); !left && left.error().code() != Code::target_gone)
            return Error(Code::needs_recover, left.error().detail()).caused_by(std::move(error));
    return error;
}

/// Puts the packages in force. `committed` tells whether that took place, even where letting the threads run on failed
/// after it.
Result<void> commit_all(target::Target& target, std::vector<Job>& jobs, std::span<const Ledger> ledgers,
                        const Options& options, std::chrono::nanoseconds deadline, Report& report, bool& committed) {
    const auto check_all = [&](Extent extent) -> Result<void> {
        for (const Job& job : jobs)
            SUTURE_CHECK(check_expected(target, job, extent));
        return {};
    };
    const auto commit_now = [&](target::Stop* stop) -> Result<void> {
        auto done = commit(target, stop, jobs, report);
        committed = done.has_value();
        return done;
    };
    for (const Job& job : jobs)
        SUTURE_CHECK(check_in_force(target, job.plan.prepared));
    const bool quiescent = options.consistency == Consistency::quiescent;
    // Calls of the version that goes may change its globals until it has gone.
    const bool state = std::ranges::any_of(jobs, [](const Job& job) { return !job.state.copies.empty(); });
    const bool sites = std::ranges::any_of(jobs, [](const Job& job) { return !job.plan.sites.empty(); });
    if (quiescent || sites || state) {
        CodeMap map(target);
        for (const Ledger& ledger : ledgers)
            add_ledger_code(map, ledger);
        std::vector<Forbidden> forbidden;
        for (const Job& job : jobs) {
            forbid_sites(forbidden, job.plan.prepared, job.plan.sites);
            if (quiescent)
                forbid_bodies(forbidden, job.before ? *job.before : job.plan.prepared, job.plan.committed,
                              names_of(job.package->manifest()));
            if (!job.state.copies.empty())
                forbid_version(forbidden, *job.before, job.before->active);
        }
        const auto in_stop = [&](target::Stop& stop) -> Result<void> {
            // Where the commit comes after the stop, so does what only the commit relies on.
            SUTURE_CHECK(check_all(quiescent || state ? Extent::all : Extent::sites));
            SUTURE_CHECK(write_sites(target, stop, jobs));
            for (const Job& job : jobs)
                if (auto carried = carry_over(target, stop, job.state); !carried)
                    return fail(in_module(std::move(carried).error(), job));
            return quiescent || state ? commit_now(&stop) : Result<void>();
        };
        SUTURE_CHECK(when_quiet(target, map, forbidden, deadline, report, in_stop));
    }
    if (quiescent || state)
        return seal(target, jobs);
    std::ranges::for_each(jobs, expect_sites);
    SUTURE_CHECK(check_all(Extent::all));
    return commit_now(nullptr);
}

} // namespace

Result<Report> apply(target::Target& target, std::span<const package::Package> packages, const Options& options) {
    const auto started = target.now();
    Report report;
    SUTURE_TRY(const auto ledgers, find_ledgers(target));
    SUTURE_TRY(const auto parts, parts_of(target, packages));
    std::vector<Job> jobs;
    std::vector<VaRange> taken;
    for (const package::Package& package : packages) {
        SUTURE_TRY(Job job, prepare_job(target, package, ledgers, parts, taken));
        if (std::ranges::any_of(jobs, [&](const Job& other) { return other.module.range == job.module.range; }))
            return fail(Error(Code::module_twice, package.manifest().id).in_image(job.module.name));
        SUTURE_CHECK(plan_state(job));
        report.state.insert(report.state.end(), job.state.notes.begin(), job.state.notes.end());
        jobs.push_back(std::move(job));
    }
    if (options.before_commit)
        options.before_commit(report.state);
    for (Job& job : jobs)
        if (auto placed = place(target, job); !placed)
            return fail(undone(target, jobs, ledgers.empty(), in_module(std::move(placed).error(), job)));
    report.prepare = target.now() - started;

    bool committed = false;
    if (auto done = commit_all(target, jobs, ledgers, options, started + options.timeout, report, committed); !done)
        return fail(committed ? std::move(done).error()
                              : undone(target, jobs, ledgers.empty(), std::move(done).error()));
    for (const Job& job : jobs) {
        SUTURE_CHECK(verify_in_force(target, job.plan.committed));
        report.modules.push_back({job.module.name, job.module.range.begin, job.package->manifest().functions.size(),
                                  job.package->manifest().sequence, "patched", job.before ? job.before->active : 0});
    }
    return report;
}

} // namespace suture::patch
