#pragma once

#include "engine/patch/plan.hpp"
#include "engine/patch/quiet.hpp"
#include "engine/patch/state.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace suture::patch {

/// Bytes of the target that an operation relies on.
struct Expected {
    enum class What : std::uint8_t { headers, function, site, provider };
    What what;
    Va at;
    Bytes bytes;
    std::string name; ///< of the provider
};

/// What apply() does to one module, and how far it has got.
struct Job {
    const package::Package* package = nullptr;
    target::Module module;
    std::unique_ptr<const Snapshot> snapshot; ///< what the checks were made against
    std::vector<target::Module> providers;    ///< modules that imports were resolved in
    std::optional<Ledger> before;             ///< as found
    Plan plan;
    StateTransfer state;

    bool placed = false;            ///< pages were mapped or replaced: an undo has something to do
    bool unwind_begun = false;      ///< the process's unwinder may know the new pages
    bool sites_begun = false;       ///< sites may have been written: threads may run through stubs
    bool commit_begun = false;      ///< the commit may be in force
    std::vector<Expected> expected; ///< as it must be found right before the commit
    std::unique_ptr<target::Staged> commit;
    bool commit_written = false; ///< by one write, and not yet by the pages that nobody can change
};

/// The error with the job's module, where it names none.
Error in_module(Error error, const Job& job);

/// Puts everything in place without changing behaviour, threads running: pages, sites that no thread can be inside of,
/// and the commit, staged.
Result<void> place(target::Target& target, Job& job);

/// Takes out what place() and what came after it put in, as far as that got. Waits until no thread is in what is to be
/// freed. Errors: not_quiescent, those of the target.
Result<void> take_out(target::Target& target, Job& job);

enum class Extent : std::uint8_t {
    all,
    sites, ///< those that are still to be written, with all that they displace
};
/// What is expected is what is there. Errors: module_not_loaded, import_unavailable, identity_function_differs.
Result<void> check_expected(target::Target& target, const Job& job, Extent extent = Extent::all);
/// From now on the remaining sites are expected to be written.
void expect_sites(Job& job);

/// Writes the remaining sites of all jobs, while the target is stopped; if it fails, none is written.
Result<void> write_sites(target::Target& target, target::Stop& stop, std::span<Job> jobs);

/// Commits all jobs; if it fails, none is committed. `stop` is null while threads run. Errors: needs_recover, where
/// even that failed.
Result<void> commit(target::Target& target, target::Stop* stop, std::span<Job> jobs, Report& report);

/// Puts sealed pages in place of those that a commit wrote to, with the same content, threads running.
Result<void> seal(target::Target& target, std::span<Job> jobs);

} // namespace suture::patch
