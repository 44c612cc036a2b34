#include "engine/patch/quiescence.hpp"

#include "engine/patch/stack_walk.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

namespace suture::patch {

namespace {

constexpr std::uint64_t kWord = 8;

/// The forbidden ranges, ready for one look-up per word of a stack.
class Lookup {
  public:
    /// At least one range.
    Lookup(std::span<const Forbidden> forbidden, std::uint64_t bits) : address_bits_(bits) {
        for (const Forbidden& entry : forbidden)
            sorted_.push_back({&entry, entry.range.end()});
        std::ranges::sort(sorted_, {}, [](const Entry& entry) { return entry.forbidden->range; });
        for (std::size_t i = 1; i < sorted_.size(); ++i)
            sorted_[i].furthest_end = std::max(sorted_[i].furthest_end, sorted_[i - 1].furthest_end);
        lowest_ = sorted_.front().forbidden->range.begin.value;
        extent_ = sorted_.back().furthest_end.value - lowest_;
    }

    /// The entry that `at` violates, or nullptr.
    const Forbidden* find(Va at) const {
        auto entry = std::ranges::upper_bound(sorted_, at, {}, [](const Entry& e) { return e.forbidden->range.begin; });
        // Ranges may overlap: go back as long as an earlier one may reach `at`.
        while (entry != sorted_.begin() && (--entry)->furthest_end > at)
            if (violates(*entry->forbidden, at))
                return entry->forbidden;
        return nullptr;
    }

    /// What a word of a stack says, if it is a return address.
    Va address_in(std::uint64_t word) const { return Va{word & address_bits_}; }

    /// False if no frame at `at` could be found(), wherever a stack holds the word: most words are no addresses of the
    /// code in question, which one comparison tells.
    bool may_find(std::uint64_t word) const {
        const Va at = address_in(word);
        return at.value - lowest_ <= extent_ && (find(at) || find(at - 1));
    }

    /// The entry that `at` violates by being right behind it, if it is a return address: a call may be the last
    /// instruction of a function that is still running.
    const Forbidden* find_before(Va at) const {
        const Forbidden* found = find(at - 1);
        return found && found->rule == Forbidden::Rule::no_ip_no_return ? found : nullptr;
    }

    const Forbidden* find(const Frame& frame) const {
        if (const Forbidden* found = find(frame.ip))
            return found;
        // A call may be the last instruction of a function that is still running.
        return frame.arrival == Arrival::returning ? find(frame.ip - 1) : nullptr;
    }

  private:
    struct Entry {
        const Forbidden* forbidden;
        Va furthest_end; ///< of this entry and all before it
    };

    static bool violates(const Forbidden& forbidden, Va at) {
        return forbidden.range.contains(at) &&
               (forbidden.rule == Forbidden::Rule::no_ip_no_return || at != forbidden.range.begin);
    }

    std::uint64_t address_bits_;
    std::vector<Entry> sorted_;
    std::uint64_t lowest_ = 0; ///< where the first range begins
    std::uint64_t extent_ = 0; ///< from there to the end of the last
};

std::vector<std::string> lines_of(CodeMap& map, const Walk& walk) {
    std::vector<std::string> lines;
    for (const Frame& frame : walk.frames) {
        if (lines.size() == kMaxFrameLines) {
            lines.push_back(fmt::format("… {} more", walk.frames.size() - kMaxFrameLines));
            break;
        }
        lines.push_back(map.describe(frame.ip));
    }
    if (!walk.complete)
        lines.push_back("walk ended: " + walk.stopped_because);
    return lines;
}

} // namespace

/// Looks at one thread after the other.
class BusySearch::Examiner {
  public:
    Examiner(Machine machine, std::span<const Forbidden> forbidden, CodeMap& map)
        : machine_(machine), lookup_(forbidden, address_bits(machine)), map_(map) {}

    /// `stack` is nothing where it could not be read.
    std::optional<Busy> examine(const target::ThreadState& thread, const std::optional<StackView>& stack) const {
        if (const auto other = other_in_the_way(thread))
            return busy(thread, other->second, Busy::How::executing, other->first, thread.sp);

        if (!stack) {
            if (const Forbidden* found = lookup_.find(thread.ip))
                return busy(thread, found, Busy::How::executing, thread.ip, thread.sp);
            return unexamined(thread);
        }
        if (nothing_to_find(thread, *stack))
            return std::nullopt;
        const Walk walk = walk_stack(machine_, map_, thread, *stack);
        for (const Frame& frame : walk.frames)
            if (const Forbidden* found = lookup_.find(frame)) {
                const bool executing = frame.arrival == Arrival::executing;
                auto result =
                    busy(thread, found, executing ? Busy::How::executing : Busy::How::returns_into, frame.ip, frame.sp);
                result.frames = lines_of(map_, walk);
                return result;
            }
        return walk.complete ? std::nullopt : scan(thread, *stack, walk);
    }

    bool is_far(const target::ThreadState& thread, const std::optional<StackView>& stack) const {
        return !other_in_the_way(thread) && stack && nothing_to_find(thread, *stack);
    }

  private:
    std::optional<std::pair<Va, const Forbidden*>> other_in_the_way(const target::ThreadState& thread) const {
        for (const Va ip : thread.other_ips)
            if (const Forbidden* found = lookup_.find(ip))
                return std::pair(ip, found);
        return std::nullopt;
    }

    static Busy busy(const target::ThreadState& thread, const Forbidden* found, Busy::How how, Va at, Va slot) {
        return {.thread = thread.id, .name = found->name, .how = how, .at = at, .stack_slot = slot, .frames = {}};
    }

    Busy unexamined(const target::ThreadState& thread) const {
        return {.thread = thread.id,
                .name = {},
                .how = Busy::How::unexamined,
                .at = thread.ip,
                .stack_slot = thread.sp,
                .frames = {map_.describe(thread.ip)}};
    }

    /// True if neither a register nor a word of the stack could be an address in forbidden code: then no walk, which
    /// takes all addresses from these, would find one. Threads wait for this.
    bool nothing_to_find(const target::ThreadState& thread, const StackView& stack) const {
        const auto may_find = [&](std::uint64_t word) { return lookup_.may_find(word); };
        if (thread.sp.value % kWord != 0 || may_find(thread.ip.value) ||
            std::ranges::any_of(thread.registers, may_find))
            return false;
        const ByteView bytes = stack.bytes;
        for (std::size_t at = 0; at + kWord <= bytes.size(); at += kWord) {
            std::uint64_t word = 0;
            std::memcpy(&word, bytes.data() + at, kWord);
            if (may_find(word))
                return false;
        }
        return true;
    }

    std::optional<Busy> scan(const target::ThreadState& thread, const StackView& stack, const Walk& walk) const {
        for (const Va address : walk.loose)
            if (auto result = suspect(thread, walk, address, thread.sp))
                return result;
        for (Va at{(walk.scanned_from.value + kWord - 1) & ~(kWord - 1)}; at < stack.end(); at = at + kWord)
            if (const auto word = stack.word(at))
                if (auto result = suspect(thread, walk, lookup_.address_in(*word), at))
                    return result;
        return std::nullopt;
    }

    std::optional<Busy> suspect(const target::ThreadState& thread, const Walk& walk, Va address, Va slot) const {
        const Forbidden* found = lookup_.find(address);
        // Behind code that changes lie other functions and data, whose addresses programs keep on their stacks.
        if (!found && (found = lookup_.find_before(address)) && !may_follow_call(machine_, map_, address))
            return std::nullopt;
        if (!found)
            return std::nullopt;
        auto result = busy(thread, found, Busy::How::found_in_scan, address, slot);
        result.frames = lines_of(map_, walk);
        return result;
    }

    Machine machine_;
    Lookup lookup_;
    CodeMap& map_;
};

std::string_view text_of(Busy::How how) {
    switch (how) {
    case Busy::How::executing:
        return "executes";
    case Busy::How::returns_into:
        return "will return into";
    case Busy::How::found_in_scan:
        return "may return into";
    case Busy::How::unexamined:
        break;
    }
    return "has a stack that cannot be examined";
}

BusySearch::BusySearch(target::Target& target, std::span<const Forbidden> forbidden, CodeMap& map)
    : examiner_(forbidden.empty() ? nullptr : std::make_unique<Examiner>(target.machine(), forbidden, map)),
      stacks_(target) {}

BusySearch::~BusySearch() = default;

Result<bool> BusySearch::all_far(std::span<const target::ThreadState> threads) {
    while (examiner_ && !threads.empty()) {
        SUTURE_TRY(const auto some, stacks_.read(threads));
        for (std::size_t i = 0; i < some.size(); ++i)
            if (!examiner_->is_far(threads[i], some[i]))
                return false;
        threads = threads.subspan(some.size());
    }
    return true;
}

Result<std::vector<Busy>> BusySearch::run(std::span<const target::ThreadState> threads) {
    std::vector<Busy> found;
    while (examiner_ && !threads.empty()) {
        SUTURE_TRY(const auto some, stacks_.read(threads));
        for (std::size_t i = 0; i < some.size(); ++i)
            if (auto busy = examiner_->examine(threads[i], some[i]))
                found.push_back(std::move(*busy));
        threads = threads.subspan(some.size());
    }
    return found;
}

} // namespace suture::patch
