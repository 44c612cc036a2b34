#include "patchgen/program/code.hpp"

#include "patchgen/program/flow_end.hpp"
#include "patchgen/program/machine_code.hpp"
#include "patchgen/program/parallel.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::program {

namespace {

/// Most rounds of joining parts of functions: each one joins neighbours, and real functions have a handful of parts.
constexpr int kMaxJoiningRounds = 32;
/// Largest function that is decoded, in bytes. The largest known (interpreters, generated tables) stay below 4 MiB.
constexpr std::uint32_t kMaxFunctionSize = 64u * 1024 * 1024;

class CodeReader {
  public:
    CodeReader(const pe::Image& image, std::span<const pe::Relocation> relocations, std::optional<Rva> guard_check)
        : image_(image), machine_(machine_code(image.machine())), relocations_(relocations), guard_check_(guard_check) {
    }

    CodeMap run(std::vector<Start> starts, std::span<const Rva> pointers) {
        entries_.assign(pointers.begin(), pointers.end());
        for (const auto& start : starts)
            if (start.entry)
                entries_.push_back(start.begin);
        std::ranges::sort(entries_);
        add(std::move(starts));
        // From sure signs of a function to weaker ones, each until it yields nothing new.
        while (add(uncovered(branch_targets(Use::call), End::flow)))
            ;
        while (add(uncovered(branch_targets(Use::jump), End::flow)) ||
               add(uncovered(branch_targets(Use::call), End::flow)))
            ;
        while (add(plausible(uncovered({pointers.begin(), pointers.end()}, End::flow))) ||
               add(plausible(uncovered(taken_addresses(), End::flow))) ||
               add(uncovered(branch_targets(Use::call), End::flow)) ||
               add(uncovered(branch_targets(Use::jump), End::flow)))
            ;
        if (!machine_.has_linked_parts()) {
            while (add(uncovered(ends_run_past(), End::flow)))
                ;
            join_parts();
        }
        map_.tables.resize(map_.starts.size());
        return std::move(map_);
    }

  private:
    DecodedCode decode(const Start& start) const {
        const auto bytes = image_.bytes_at(start.begin, start.limit);
        if (!bytes || start.limit == 0 || start.limit > kMaxFunctionSize) {
            DecodedCode code;
            code.size = start.limit;
            code.undecoded = start.limit > kMaxFunctionSize ? "larger than any function that is decoded" : "no bytes";
            return code;
        }
        const Stretch stretch{.begin = start.begin,
                              .bytes = *bytes,
                              .end = start.end,
                              .image_base = image_.image_base(),
                              .image_size = image_.size_of_image(),
                              .relocations = relocations_,
                              .guard_check = guard_check_};
        return start.end == End::flow ? decode_to_flow_end(image_, stretch) : machine_.decode(stretch);
    }

    /// Decodes functions and merges them in. False if there are none.
    bool add(std::vector<Start> starts) {
        if (starts.empty())
            return false;
        std::vector<DecodedCode> codes(starts.size());
        for_each_index(starts.size(), [&](std::size_t i) { codes[i] = decode(starts[i]); });
        for (std::size_t i = 0; i < starts.size(); ++i)
            collect({starts[i].begin, codes[i].size}, codes[i]);
        map_.merge(std::move(starts), std::move(codes));
        forget_covered();
        return true;
    }

    /// What is covered once stays so: most targets are, and need not be looked at again.
    void forget_covered() {
        std::erase_if(targets_, [&](const Target& target) { return map_.index_at(target.at).has_value(); });
        std::ranges::sort(targets_);
        targets_.erase(std::unique(targets_.begin(), targets_.end()), targets_.end());
    }

    bool code_at(Rva at) const { return code_end(image_, at) > at.value; }

    struct Target {
        Rva at;
        Use use = Use::call;

        auto operator<=>(const Target&) const = default;
    };

    /// Where the code of `range` leads to in other code.
    void collect(RvaRange range, const DecodedCode& code) {
        for (const auto& reference : code.references)
            if ((is_branch(reference.kind) || (reference.use == Use::address && has_target(reference.kind))) &&
                !range.contains(reference.target) && code_at(reference.target))
                targets_.push_back({reference.target, reference.use});
    }

    std::vector<Rva> branch_targets(Use use) const {
        std::vector<Rva> found;
        for (const auto& target : targets_)
            if (target.use == use)
                found.push_back(target.at);
        return found;
    }

    std::vector<Rva> taken_addresses() const { return branch_targets(Use::address); }

    /// Those of the targets that lie in code, but in no function; each reaches at most to the next one.
    std::vector<Start> uncovered(std::vector<Rva> targets, End end) const {
        sort_unique(targets);
        std::erase_if(targets, [&](Rva at) {
            return !code_at(at) || map_.index_at(at) || rejected(at) ||
                   std::ranges::binary_search(map_.starts, at, {}, &Start::begin);
        });
        std::vector<Start> starts;
        for (std::size_t i = 0; i < targets.size(); ++i) {
            std::uint64_t limit = code_end(image_, targets[i]);
            if (i + 1 < targets.size())
                limit = std::min<std::uint64_t>(limit, targets[i + 1].value);
            const auto next = std::ranges::upper_bound(map_.starts, targets[i], {}, &Start::begin);
            if (next != map_.starts.end())
                limit = std::min<std::uint64_t>(limit, next->begin.value);
            starts.push_back(
                {targets[i], static_cast<std::uint32_t>(limit - targets[i].value), end, Source::call_target});
        }
        return starts;
    }

    /// Addresses that are only taken may be data in code: it must look like code up to a terminator.
    std::vector<Start> plausible(std::vector<Start> starts) {
        std::erase_if(starts, [&](const Start& start) {
            const auto code = decode(start);
            const bool good =
                code.undecoded.empty() && code.size > 0 && (code.ends_in_terminator || runs_into_part(start, code));
            if (!good)
                rejected_.push_back(start.begin);
            return !good;
        });
        std::ranges::sort(rejected_);
        return starts;
    }

    /// Where code goes on behind what unwind data covers, as a last RET does.
    std::vector<Rva> ends_run_past() const {
        std::vector<Rva> ends;
        for (std::size_t i = 0; i < map_.starts.size(); ++i)
            if (map_.codes[i].runs_on && map_.starts[i].source >= Source::pdata)
                ends.push_back(map_.starts[i].begin + map_.codes[i].size);
        return ends;
    }

    /// Where nothing links the parts of a function, its first instructions may have no unwind data, and run into those
    /// that have.
    bool runs_into_part(const Start& start, const DecodedCode& code) const {
        if (machine_.has_linked_parts() || !code.runs_on)
            return false;
        const Rva end = start.begin + code.size;
        const auto next = std::ranges::lower_bound(map_.starts, end, {}, &Start::begin);
        return next != map_.starts.end() && next->begin == end && !is_entry(end);
    }

    bool is_entry(Rva at) const { return std::ranges::binary_search(entries_, at); }

    void add_called_entries() {
        for (const auto& code : map_.codes)
            for (const auto& reference : code.references)
                if (reference.use == Use::call || (reference.use == Use::address && has_target(reference.kind)))
                    entries_.push_back(reference.target);
        sort_unique(entries_);
    }

    /// Joins what is known to be one function since code runs, or jumps as it does only inside a function, from one
    /// part to the next.
    void join_parts() {
        add_called_entries();
        for (int round = 0; round < kMaxJoiningRounds; ++round) {
            std::vector<bool> joined(map_.starts.size(), false); // with the next one
            for (std::size_t i = 0; i < map_.starts.size(); ++i)
                find_parts(i, joined);
            if (std::ranges::find(joined, true) == joined.end())
                break;
            join(joined);
        }
        mark_entered_from_front();
    }

    void find_parts(std::size_t i, std::vector<bool>& joined) const {
        const auto& code = map_.codes[i];
        const auto follows = [&](std::size_t part) {
            return part < map_.starts.size() && !is_entry(map_.starts[part].begin);
        };
        if (code.runs_on && follows(i + 1) && map_.starts[i + 1].begin.value == map_.range_of(i).end())
            joined[i] = true;
        for (const auto& reference : code.references) {
            if (reference.use != Use::jump || map_.range_of(i).contains(reference.target))
                continue;
            const auto other = map_.index_at(reference.target);
            if (!other || (*other != i + 1 && *other + 1 != i))
                continue;
            const bool conditional = reference.kind != ReferenceKind::arm64_branch26;
            if ((conditional || reference.target != map_.starts[*other].begin) && follows(std::max(i, *other)))
                joined[std::min(i, *other)] = true;
        }
    }

    void join(const std::vector<bool>& joined) {
        CodeMap whole;
        std::vector<std::size_t> fresh;
        for (std::size_t i = 0; i < map_.starts.size(); ++i) {
            if (!joined[i]) {
                whole.starts.push_back(map_.starts[i]);
                whole.codes.push_back(std::move(map_.codes[i]));
                continue;
            }
            Start start = map_.starts[i];
            while (joined[i])
                ++i;
            start.limit = static_cast<std::uint32_t>(map_.range_of(i).end() - start.begin.value);
            start.end = End::exact;
            fresh.push_back(whole.starts.size());
            whole.starts.push_back(start);
            whole.codes.emplace_back();
        }
        map_ = std::move(whole);
        map_.index_starts();
        for_each_index(fresh.size(), [&](std::size_t i) { map_.codes[fresh[i]] = decode(map_.starts[fresh[i]]); });
    }

    /// What lies in front of a part and runs into it is code of the same function, even if nothing is known to lead
    /// there.
    void mark_entered_from_front() {
        for (std::size_t i = 0; i < map_.starts.size(); ++i) {
            const Rva begin = map_.starts[i].begin;
            if (map_.starts[i].source != Source::pdata || is_entry(begin) || begin.value < 4 ||
                map_.index_at(Rva{begin.value - 4}) || !map_.codes[i].undecoded.empty())
                continue;
            const auto bytes = image_.bytes_at(Rva{begin.value - 4}, 4);
            if (!bytes || machine_.is_fill(*bytes))
                continue;
            const auto before = decode({Rva{begin.value - 4}, 4, End::exact, Source::call_target});
            if (!before.undecoded.empty() || !before.runs_on)
                continue;
            map_.codes[i].undecoded =
                fmt::format("code runs into it from 0x{:x}, to where nothing is known to lead", begin.value - 4);
        }
    }

    bool rejected(Rva at) const { return std::ranges::binary_search(rejected_, at); }

    const pe::Image& image_;
    const MachineCode& machine_;
    std::span<const pe::Relocation> relocations_;
    std::optional<Rva> guard_check_;
    CodeMap map_;
    std::vector<Target> targets_;
    std::vector<Rva> rejected_;
    std::vector<Rva> entries_; ///< what something says to be a function's first instruction, ascending
};

} // namespace

std::optional<std::size_t> CodeMap::index_at(Rva rva) const {
    const std::size_t count = begins_.up_to(rva);
    return count != 0 && range_of(count - 1).contains(rva) ? std::optional(count - 1) : std::nullopt;
}

void CodeMap::index_starts() {
    begins_ = index_of_begins(starts, [](const Start& start) { return start.begin; });
}

void CodeMap::merge(std::vector<Start> fresh, std::vector<DecodedCode> decoded) {
    if (starts.empty()) {
        starts = std::move(fresh);
        codes = std::move(decoded);
        index_starts();
        return;
    }
    // From the back, so that what lies in front of all that is new stays where it is; with some room for the next time.
    std::size_t old = starts.size();
    std::size_t next = fresh.size();
    const std::size_t count = old + next;
    const auto grow = [&](auto& list) {
        if (list.capacity() < count)
            list.reserve(count + count / 16);
        list.resize(count);
    };
    grow(starts);
    grow(codes);
    const bool has_tables = !tables.empty();
    if (has_tables)
        grow(tables);
    for (std::size_t to = count; next != 0;) {
        --to;
        if (old != 0 && fresh[next - 1].begin <= starts[old - 1].begin) {
            --old;
            starts[to] = starts[old];
            codes[to] = std::move(codes[old]);
            if (has_tables)
                tables[to] = std::move(tables[old]);
        } else {
            --next;
            starts[to] = fresh[next];
            codes[to] = std::move(decoded[next]);
            if (has_tables)
                tables[to].clear();
        }
    }
    index_starts();
}

CodeMap read_code(const pe::Image& image, std::span<const pe::Relocation> relocations, std::optional<Rva> guard_check,
                  std::vector<Start> starts, std::span<const Rva> pointers) {
    return CodeReader(image, relocations, guard_check).run(std::move(starts), pointers);
}

} // namespace suture::program
