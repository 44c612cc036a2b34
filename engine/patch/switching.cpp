#include "engine/patch/job.hpp"
#include "engine/patch/site_pages.hpp"
#include "engine/patch/verification.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::patch {

namespace {

bool is_loaded(std::span<const target::Module> modules, Va base, std::string_view name) {
    return std::ranges::any_of(modules, [&](const target::Module& one) {
        return one.range.begin == base && target::same_file_name(one.name, name);
    });
}

/// Why what was expected is not there.
Error difference(target::Target& target, const Job& job, const Expected& expected) {
    if (const auto modules = target.modules()) {
        if (!is_loaded(*modules, job.module.range.begin, job.module.name))
            return Error(Code::module_not_loaded, "it was unloaded during the operation");
        if (expected.what == Expected::What::provider && !is_loaded(*modules, expected.at, expected.name))
            return Error(Code::import_unavailable, fmt::format("{} was unloaded during the operation", expected.name));
    }
    switch (expected.what) {
    case Expected::What::provider:
        return Error(Code::import_unavailable, fmt::format("{} changed during the operation", expected.name));
    case Expected::What::headers:
    case Expected::What::function:
    case Expected::What::site:
        break;
    }
    return Error(Code::identity_function_differs, "it changed during the operation")
        .at(Rva{static_cast<std::uint32_t>(expected.at - job.module.range.begin)});
}

/// Reads everything at once, since threads may be waiting.
Result<std::vector<Bytes>> read_all(target::Target& target, std::span<const VaRange> ranges) {
    std::vector<Bytes> bytes;
    std::vector<target::Reading> readings;
    bytes.reserve(ranges.size());
    for (const VaRange& range : ranges)
        readings.push_back({range.begin, bytes.emplace_back(static_cast<std::size_t>(range.size))});
    SUTURE_CHECK(target.read(readings));
    return bytes;
}

/// Puts back what was in force; what cannot be put back is told.
Result<void> take_back(target::Target& target, std::span<Job* const> jobs) {
    Result<void> outcome;
    for (auto job = jobs.rbegin(); job != jobs.rend(); ++job) {
        Ledger ledger = (*job)->plan.prepared;
        if (check_in_force(target, ledger))
            continue; // the commit did not take place
        auto cells = commit_of(ledger, ledger.active);
        auto back = cells ? target.replace(*cells) : std::unexpected(cells.error());
        if (!back && outcome)
            outcome = std::move(back);
    }
    return outcome;
}

} // namespace

Result<void> check_expected(target::Target& target, const Job& job, Extent extent) {
    std::vector<const Expected*> wanted;
    std::vector<VaRange> ranges;
    for (const Expected& expected : job.expected)
        if (extent == Extent::all || expected.what == Expected::What::site) {
            wanted.push_back(&expected);
            ranges.push_back({expected.at, expected.bytes.size()});
        }
    const auto found = read_all(target, ranges);
    for (std::size_t i = 0; i < ranges.size(); ++i) {
        const Expected& expected = *wanted[i];
        if (found && (*found)[i] == expected.bytes)
            continue;
        if (!found) {
            if (found.error().code() != Code::target_read_failed)
                return std::unexpected(found.error());
            Bytes one(expected.bytes.size());
            if (target.read(expected.at, one) && one == expected.bytes)
                continue;
        }
        return fail(in_module(difference(target, job, expected), job));
    }
    return {};
}

Result<void> write_sites(target::Target& target, target::Stop& stop, std::span<Job> jobs) {
    std::vector<SiteWrite> written;
    const auto write_all = [&]() -> Result<void> {
        for (Job& job : jobs) {
            job.sites_begun = job.sites_begun || !job.plan.sites.empty();
            written.insert(written.end(), job.plan.sites.begin(), job.plan.sites.end());
            SUTURE_CHECK(write_stopped(target, stop, job.plan.sites));
        }
        return {};
    };
    const auto take_back = [&]() -> Result<void> {
        SUTURE_TRY(const auto writes, writes_to_undo(target, written));
        return write_stopped(target, stop, writes);
    };
    const auto done = write_all();
    if (done)
        return {};
    if (auto back = take_back(); !back)
        return fail(Error(Code::needs_recover, back.error().detail()).caused_by(done.error()));
    return done;
}

Result<void> commit(target::Target& target, target::Stop* stop, std::span<Job> jobs, Report& report) {
    std::vector<Job*> begun;
    const auto commit_all = [&]() -> Result<void> {
        const auto started = target.now();
        for (Job& job : jobs) {
            begun.push_back(&job);
            job.commit_begun = true;
            if (stop && job.plan.commit_write) {
                SUTURE_CHECK(stop->write_code(job.plan.commit_write->at, job.plan.commit_write->bytes));
                job.commit_written = true;
            } else {
                SUTURE_CHECK(target.replace(*job.commit));
            }
        }
        report.commit = target.now() - started;
        std::vector<VaRange> ranges;
        std::vector<const Job*> replaced; // what was written has been read back
        for (const Job& job : jobs)
            if (!job.commit_written) {
                ranges.push_back({job.plan.commit.range.begin, job.plan.commit.content.size()});
                replaced.push_back(&job);
            }
        SUTURE_TRY(const auto found, read_all(target, ranges));
        for (std::size_t i = 0; i < found.size(); ++i)
            if (found[i] != replaced[i]->plan.commit.content)
                return fail(in_module(
                    Error(Code::verification_failed, "its cells or its ledger are not those of this operation"),
                    *replaced[i]));
        return {};
    };
    const auto done = commit_all();
    if (done)
        return {};
    if (auto back = take_back(target, begun); !back)
        return fail(Error(Code::needs_recover, back.error().detail()).caused_by(done.error()));
    return done;
}

Result<void> seal(target::Target& target, std::span<Job> jobs) {
    for (Job& job : jobs) {
        auto sealed = job.commit_written ? target.replace(*job.commit) : Result<void>();
        if (sealed || sealed.error().code() == Code::target_gone)
            SUTURE_CHECK(sealed);
        else
            return fail(in_module(Error(Code::verification_failed,
                                        "it is in force, but its cells lie in pages that the process could change")
                                      .caused_by(std::move(sealed).error()),
                                  job));
    }
    return {};
}

} // namespace suture::patch
