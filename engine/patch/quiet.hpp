#pragma once

#include "engine/patch/ledger.hpp"
#include "engine/patch/plan.hpp"
#include "engine/patch/quiescence.hpp"
#include "engine/patch/transaction.hpp"

#include <functional>

namespace suture::patch {

/// Ranges that writes to sites of `ledger` change while threads are stopped.
void forbid_sites(std::vector<Forbidden>& forbidden, const Ledger& ledger, std::span<const SiteWrite> writes);
/// Code that runs under `ledger.active` and no longer under `sequence`. `names` are those of the ledger's functions by
/// entry, as far as they are known.
struct FunctionName {
    Rva entry;
    std::string name;
};
void forbid_bodies(std::vector<Forbidden>& forbidden, const Ledger& ledger, const Ledger& next,
                   std::span<const FunctionName> names);
/// All that was mapped for a module, and the pads its sites jump through.
void forbid_mapped(std::vector<Forbidden>& forbidden, const Ledger& ledger);

/// Tells `map` of code that ledgers know and no loader does.
void add_ledger_code(CodeMap& map, const Ledger& ledger);

/// Stops the target again and again until no thread is in `forbidden` code, runs `action` while it is stopped, lets it
/// run on, and accounts for it in `report`. Errors: not_quiescent, those of the target, those of `action`.
Result<void> when_quiet(target::Target& target, CodeMap& map, std::span<const Forbidden> forbidden,
                        std::chrono::nanoseconds deadline, Report& report,
                        const std::function<Result<void>(target::Stop&)>& action);

} // namespace suture::patch
