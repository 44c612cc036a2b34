#include "engine/patch/quiet.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::patch {

namespace {

constexpr std::chrono::nanoseconds kFirstWait = std::chrono::milliseconds(1);
constexpr std::chrono::nanoseconds kLongestWait = std::chrono::milliseconds(50);

Va address(const Ledger& ledger, Rva rva) {
    return ledger.module_range.begin + rva.value;
}

std::string name_of(const Ledger& ledger, Rva entry, std::span<const FunctionName> names) {
    const auto found = std::ranges::find(names, entry, &FunctionName::entry);
    if (found != names.end() && !found->name.empty())
        return found->name;
    return fmt::format("{}+0x{:x}", ledger.module, entry.value);
}

Error not_quiescent(const std::vector<Busy>& busy, unsigned attempts) {
    const Busy& first = busy.front();
    std::string detail = fmt::format("thread {} {} {} at 0x{:x}", first.thread, text_of(first.how),
                                     first.name.empty() ? "code that cannot be told" : first.name, first.at.value);
    if (busy.size() > 1)
        detail += fmt::format(" (and {} more threads)", busy.size() - 1);
    detail += fmt::format("; {} attempts", attempts);
    for (const std::string& frame : first.frames)
        detail += "\n    " + frame;
    return Error(Code::not_quiescent, std::move(detail)).in_thread(first.thread).in_function(first.name);
}

} // namespace

void forbid_sites(std::vector<Forbidden>& forbidden, const Ledger& ledger, std::span<const SiteWrite> writes) {
    for (const SiteWrite& write : writes)
        forbidden.push_back(
            {{write.at, write.after.size()},
             fmt::format("the entry of {}+0x{:x}", ledger.module, ledger.functions[write.function].site.entry.value),
             Forbidden::Rule::no_ip_inside});
}

void forbid_bodies(std::vector<Forbidden>& forbidden, const Ledger& ledger, const Ledger& next,
                   std::span<const FunctionName> names) {
    bool image_left = false;
    bool baseline_left = false;
    for (std::size_t i = 0; i < next.functions.size(); ++i) {
        const Va before = i < ledger.functions.size() ? ledger.destination(i, ledger.active) : next.continuation(i);
        if (before == next.destination(i, next.active))
            continue;
        // Behind its first instruction a stub that has several holds where its cell led.
        forbidden.push_back({{next.block.stub(static_cast<std::uint32_t>(i + 1)), isa::Isa::kStubSize},
                             name_of(ledger, next.functions[i].site.entry, names),
                             Forbidden::Rule::no_ip_inside});
        if (before != next.continuation(i)) {
            image_left = true;
            continue;
        }
        baseline_left = true;
        const LedgerFunction& function = next.functions[i];
        const std::string name = name_of(ledger, function.site.entry, names);
        // The first byte may be stood upon: from there a thread goes through the site.
        forbidden.push_back(
            {{address(ledger, function.site.entry), function.baseline_size}, name, Forbidden::Rule::no_ip_inside});
        forbidden.push_back(
            {{next.block.continuation(static_cast<std::uint32_t>(i + 1)), isa::Isa::kContinuationSize}, name});
    }
    if (const LedgerVersion* version = next.version(next.active); version && baseline_left)
        for (const RvaRange& range : version->retired)
            forbidden.push_back({{address(ledger, range.begin), range.size}, name_of(ledger, range.begin, names)});
    if (!image_left)
        return;
    if (const LedgerVersion* version = ledger.version(ledger.active))
        for (const LedgerPages& pages : version->pages)
            if (pages.protection == target::Protection::read_execute)
                forbidden.push_back(
                    {pages.range, fmt::format("the code of sequence {} of {}", version->sequence, ledger.module)});
}

void forbid_mapped(std::vector<Forbidden>& forbidden, const Ledger& ledger) {
    forbidden.push_back({ledger.block.whole(), fmt::format("the stubs of {}", ledger.module)});
    for (const LedgerVersion& version : ledger.versions)
        forbidden.push_back(
            {version.image, fmt::format("the code of sequence {} of {}", version.sequence, ledger.module)});
    for (const LedgerFunction& function : ledger.functions)
        if (function.site.uses_pad())
            forbidden.push_back({{address(ledger, function.site.pad), function.site.pad_size},
                                 fmt::format("the pad at {}+0x{:x}", ledger.module, function.site.pad.value)});
}

void add_ledger_code(CodeMap& map, const Ledger& ledger) {
    map.add_leaf(fmt::format("stubs of {}", ledger.module), ledger.block.stubs());
    for (const LedgerVersion& version : ledger.versions)
        map.add_image(fmt::format("sequence {} of {}", version.sequence, ledger.module), version.image);
}

Result<void> when_quiet(target::Target& target, CodeMap& map, std::span<const Forbidden> forbidden,
                        std::chrono::nanoseconds deadline, Report& report,
                        const std::function<Result<void>(target::Stop&)>& action) {
    std::chrono::nanoseconds wait = kFirstWait;
    BusySearch search(target, forbidden, map);
    // Mostly all threads are far from it, and the first stop shows so. To know all modules takes longer than that stop.
    bool known = false;
    for (;;) {
        if (known)
            SUTURE_CHECK(map.refresh());
        SUTURE_TRY(const auto stop, target.stop());
        ++report.attempts;
        Result<std::vector<Busy>> busy;
        if (known) {
            busy = search.run(stop->threads());
        } else if (const auto far = search.all_far(stop->threads()); !far) {
            busy = std::unexpected(far.error());
        } else if (!*far) {
            SUTURE_CHECK(stop->resume());
            known = true;
            continue;
        }
        if (busy && busy->empty()) {
            auto done = action(*stop);
            auto resumed = stop->resume();
            report.pause = target.now() - stop->began();
            return done ? resumed : done;
        }
        SUTURE_CHECK(stop->resume());
        report.pause = target.now() - stop->began();
        if (!busy)
            return std::unexpected(std::move(busy).error());
        if (target.now() >= deadline)
            return fail(not_quiescent(*busy, report.attempts));
        target.wait(std::min(wait, std::max(deadline - target.now(), std::chrono::nanoseconds(0))));
        wait = std::min(wait * 2, kLongestWait);
    }
}

} // namespace suture::patch
