#include "patchgen/program/initialisers.hpp"

#include <algorithm>
#include <map>

namespace suture::program {

namespace {

/// Largest list, in bytes: programs have some hundreds of initialisers.
constexpr std::uint32_t kMaxList = 1u << 20;
/// How far apart code takes the two ends, in bytes: two arguments of one call, or two ends of a loop.
constexpr std::uint32_t kMostBetween = 32;
/// What GCC's lists begin with, where they do not tell how many functions they hold.
constexpr std::uint64_t kNotCounted = ~std::uint64_t{0};

class Finder {
  public:
    explicit Finder(const Program& program) : program_(program) {}

    std::vector<RvaRange> run() {
        for (const Function& function : program_.functions())
            add_between_ends(function);
        for (const pe::Relocation& field : program_.relocations())
            add_constructors(field.at);
        std::ranges::sort(lists_);
        const auto repeated = std::ranges::unique(lists_);
        lists_.erase(repeated.begin(), repeated.end());
        return std::move(lists_);
    }

  private:
    bool holds(Rva at, std::uint64_t value) const {
        return program_.image().read<std::uint64_t>(at) == value && !program_.relocated(at);
    }

    bool holds_function(Rva at) const {
        const auto target = program_.pointer_at(at);
        const Function* function = target ? program_.function_at(*target) : nullptr;
        return function && function->range.begin == *target;
    }

    /// Addresses that the function takes one after the other.
    void add_between_ends(const Function& function) {
        const Reference* before = nullptr;
        for (const Reference& reference : function.references) {
            if (reference.use != Use::address || !has_target(reference.kind))
                continue;
            if (before && reference.offset - before->offset <= kMostBetween) {
                const auto [begin, end] = std::minmax(before->target, reference.target);
                if (is_list(begin, end))
                    add(begin, end);
            }
            before = &reference;
        }
    }

    bool is_list(Rva begin, Rva end) {
        if (end - begin > kMaxList || begin.value % 8 != 0 || end.value % 8 != 0 || begin == end || !holds(begin, 0) ||
            !holds(end, 0))
            return false;
        const Run& run = run_around(begin);
        if (end >= run.end())
            return false;
        // Linkers may leave room between what several files bring to it.
        const std::uint32_t functions = run.functions_before(end) - run.functions_before(begin);
        const std::uint32_t empty = (end - begin) / 8 - 1 - functions;
        return functions != 0 && functions >= empty;
    }

    /// Pointers to functions and zeros, one behind the other, as many as there are. Each is looked at once, however
    /// often code takes addresses among them.
    struct Run {
        Rva begin;
        std::vector<std::uint32_t> functions; ///< up to each field, without it

        Rva end() const { return begin + static_cast<std::uint32_t>(functions.size() * 8); }
        std::uint32_t functions_before(Rva at) const { return functions[(at - begin) / 8]; }
    };

    /// `at` holds zero.
    const Run& run_around(Rva at) {
        if (const auto next = runs_.upper_bound(at); next != runs_.begin() && at < std::prev(next)->second.end())
            return std::prev(next)->second;
        Run run{at, {}};
        while (run.begin.value >= 8 && (holds(run.begin - 8, 0) || holds_function(run.begin - 8)))
            run.begin = run.begin - 8;
        std::uint32_t functions = 0;
        for (Rva field = run.begin; holds(field, 0) || holds_function(field); field = field + 8) {
            run.functions.push_back(functions);
            functions += holds_function(field) ? 1u : 0u;
        }
        return runs_.emplace(run.begin, std::move(run)).first->second;
    }

    /// From the first of them on: what follows is the list of destructors, which begins likewise.
    void add_constructors(Rva first) {
        if (first.value < 8 || !holds(Rva{first.value - 8}, kNotCounted))
            return;
        Rva end = first;
        while (end - first < kMaxList && holds_function(end))
            end = end + 8;
        if (end != first && holds(end, 0) && holds(end + 8, kNotCounted))
            add(first, end);
    }

    void add(Rva begin, Rva end) { lists_.push_back({begin, end - begin}); }

    const Program& program_;
    std::vector<RvaRange> lists_;
    std::map<Rva, Run> runs_;
};

} // namespace

std::vector<RvaRange> initialiser_lists_of(const Program& program) {
    return Finder(program).run();
}

} // namespace suture::program
