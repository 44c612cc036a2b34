#pragma once

#include "engine/package/reader.hpp"
#include "engine/patch/ledger.hpp"
#include "engine/patch/snapshot.hpp"

namespace suture::patch {

/// Addresses chosen for what a package brings along.
struct Placement {
    Block block;         ///< as in the ledger where there is one
    Va image;            ///< where the package image goes
    bool unwind = false; ///< its unwind data is made known to the process
};

/// Bytes of a redirect site to be changed.
struct SiteWrite {
    Va at;
    Bytes before; ///< what must be there
    Bytes after;
    std::size_t function; ///< index in the ledger
};

/// An import slot of the package image and the address it gets.
struct ResolvedImport {
    Rva slot;
    Va address;
};

/// Bytes of one page that a commit changes.
struct CommitWrite {
    Va at;
    Bytes bytes;
};

/// Everything that applying a package to a module does, in the order in which it is done.
struct Plan {
    /// 1. Fresh pages; the block first: once it is there, its ledger tells of all the rest.
    std::vector<target::Mapping> mappings;
    /// 1a. What the process's unwinder is to know of the fresh pages, before anything leads there.
    std::optional<target::UnwindTable> unwind;
    /// 1b. Functions of the module that new code calls by their addresses and that its own table does not list.
    std::vector<Va> call_targets;
    /// 1c. Instead of a fresh block: pages of the existing one with the new functions' stubs and continuations added.
    std::vector<target::Mapping> replacements;
    /// 2. Sites that no thread can be inside of: put down by whole pages while threads run.
    std::vector<SiteWrite> page_sites;
    /// 2b. The other sites, in order, while the threads are stopped.
    std::vector<SiteWrite> sites;
    /// 3. The commit: one operation that puts the new cells and the new ledger in force.
    target::Mapping commit;
    /// 3b. The same as one write, where all that changes lies in one page of a fresh block.
    std::optional<CommitWrite> commit_write;

    Ledger prepared;  ///< as written in step 1: phase `preparing`
    Ledger committed; ///< as written in step 3: phase `live`
};

/// How much of a block a package needs, for a module without one: twice its functions and some more, so that
/// cumulative hotpatches find room. Error: block_full (more functions than a block can hold).
Result<Block> block_for(const package::Manifest& manifest);

/// Pure: the plan follows from its arguments alone. `ledger` is the module's ledger or nullptr; `parts` are those of
/// the whole update, ascending. The package must have passed check_identity() against `snapshot`. Errors:
/// branch_out_of_reach, block_full, site_unproved, package_malformed (a fixup that does not fit), unwind_not_registered
/// (its code handles exceptions, and `placement` says that its unwind data stays unknown).
Result<Plan> make_plan(const package::Package& package, const Snapshot& snapshot, const Ledger* ledger,
                       const Placement& placement, std::span<const ResolvedImport> imports,
                       std::span<const UpdatePart> parts);

/// The plan for a version that `ledger` has, but not in force. Where other modules belong to the update, the ledger
/// says so before any of them is committed.
Result<Plan> plan_of_known(const Ledger& ledger, std::uint32_t sequence, std::span<const UpdatePart> parts);

/// A commit of `sequence` (0: the baseline) among the versions of `ledger`; the result's ledger is `ledger` with
/// `active` changed.
Result<target::Mapping> commit_of(Ledger& ledger, std::uint32_t sequence);

/// Stubs of the functions of `ledger`: content of block.stubs(). Error: branch_out_of_reach.
Result<Bytes> stub_bytes(const Ledger& ledger);
/// Continuations of the functions of `ledger`: content of block.continuations(). Errors: site_unproved,
/// branch_out_of_reach.
Result<Bytes> continuation_bytes(const Ledger& ledger);
/// The writes that redirect function `index` of `ledger`, with the baseline's bytes as `before`.
Result<std::vector<SiteWrite>> site_writes(const Ledger& ledger, std::size_t index);

} // namespace suture::patch
