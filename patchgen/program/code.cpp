#include "patchgen/program/code.hpp"

#include "patchgen/program/machine_code.hpp"
#include "patchgen/program/parallel.hpp"

#include <algorithm>

namespace suture::program {

namespace {

/// Largest function that is decoded, in bytes. The largest known (interpreters, generated tables) stay below 4 MiB.
constexpr std::uint32_t kMaxFunctionSize = 64u * 1024 * 1024;

class CodeReader {
  public:
    CodeReader(const pe::Image& image, std::span<const pe::Relocation> relocations, std::optional<Rva> guard_check)
        : image_(image), machine_(machine_code(image.machine())), relocations_(relocations), guard_check_(guard_check) {
    }

    CodeMap run(std::vector<Start> starts, std::span<const Rva> pointers) {
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
        return machine_.decode({.begin = start.begin,
                                .bytes = *bytes,
                                .end = start.end,
                                .image_base = image_.image_base(),
                                .image_size = image_.size_of_image(),
                                .relocations = relocations_,
                                .guard_check = guard_check_});
    }

    /// Decodes functions and merges them in. False if there are none.
    bool add(std::vector<Start> starts) {
        if (starts.empty())
            return false;
        std::vector<DecodedCode> codes(starts.size());
        for_each_index(starts.size(), [&](std::size_t i) { codes[i] = decode(starts[i]); });
        const std::size_t before = map_.starts.size();
        fresh_.assign(starts.size(), {});
        for (std::size_t i = 0; i < starts.size(); ++i)
            collect(codes[i], fresh_[i]);
        for (const auto& targets : fresh_)
            targets_.insert(targets_.end(), targets.begin(), targets.end());
        for (std::size_t i = 0; i < starts.size(); ++i) {
            map_.starts.push_back(starts[i]);
            map_.codes.push_back(std::move(codes[i]));
        }
        if (before == 0)
            return forget_covered();
        // Later rounds are small: what they find goes to its place.
        std::vector<std::size_t> order(map_.starts.size());
        for (std::size_t i = 0; i < order.size(); ++i)
            order[i] = i;
        std::ranges::sort(order, {}, [&](std::size_t i) { return map_.starts[i].begin; });
        CodeMap sorted;
        for (const std::size_t i : order) {
            sorted.starts.push_back(map_.starts[i]);
            sorted.codes.push_back(std::move(map_.codes[i]));
        }
        map_ = std::move(sorted);
        return forget_covered();
    }

    /// What is covered once stays so: most targets are, and need not be looked at again.
    bool forget_covered() {
        std::ranges::sort(targets_);
        targets_.erase(std::unique(targets_.begin(), targets_.end()), targets_.end());
        std::erase_if(targets_, [&](const Target& target) { return !code_at(target.at) || map_.index_at(target.at); });
        return true;
    }

    bool code_at(Rva at) const { return code_end(image_, at) > at.value; }

    struct Target {
        Rva at;
        Use use = Use::call;

        auto operator<=>(const Target&) const = default;
    };

    static void collect(const DecodedCode& code, std::vector<Target>& targets) {
        for (const auto& reference : code.references)
            if (is_branch(reference.kind) || (reference.use == Use::address && has_target(reference.kind)))
                targets.push_back({reference.target, reference.use});
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
        std::ranges::sort(targets);
        targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
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
            const bool good = code.undecoded.empty() && code.ends_in_terminator && code.size > 0;
            if (!good)
                rejected_.push_back(start.begin);
            return !good;
        });
        std::ranges::sort(rejected_);
        return starts;
    }

    bool rejected(Rva at) const { return std::ranges::binary_search(rejected_, at); }

    const pe::Image& image_;
    const MachineCode& machine_;
    std::span<const pe::Relocation> relocations_;
    std::optional<Rva> guard_check_;
    CodeMap map_;
    std::vector<std::vector<Target>> fresh_;
    std::vector<Target> targets_;
    std::vector<Rva> rejected_;
};

} // namespace

std::optional<std::size_t> CodeMap::index_at(Rva rva) const {
    const auto next = std::ranges::upper_bound(starts, rva, {}, &Start::begin);
    if (next == starts.begin())
        return std::nullopt;
    const auto index = static_cast<std::size_t>(next - starts.begin()) - 1;
    return range_of(index).contains(rva) ? std::optional(index) : std::nullopt;
}

CodeMap read_code(const pe::Image& image, std::span<const pe::Relocation> relocations, std::optional<Rva> guard_check,
                  std::vector<Start> starts, std::span<const Rva> pointers) {
    return CodeReader(image, relocations, guard_check).run(std::move(starts), pointers);
}

} // namespace suture::program
