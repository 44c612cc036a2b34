#include "engine/patch/quiescence.hpp"

#include "engine/patch/stack_walk.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace suture::patch {

namespace {

constexpr std::uint64_t kReadPiece = 256 * 1024;
constexpr std::uint64_t kWord = 8;
constexpr std::uint64_t kAddressBits = (std::uint64_t{1} << 48) - 1;

/// The forbidden ranges, ready for one look-up per word of a stack.
class Lookup {
  public:
    explicit Lookup(std::span<const Forbidden> forbidden) {
        for (const Forbidden& entry : forbidden)
            sorted_.push_back({&entry, entry.range.end()});
        std::ranges::sort(sorted_, {}, [](const Entry& entry) { return entry.forbidden->range; });
        for (std::size_t i = 1; i < sorted_.size(); ++i)
            sorted_[i].furthest_end = std::max(sorted_[i].furthest_end, sorted_[i - 1].furthest_end);
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

    /// False if no frame at `at` could be found(), wherever a stack holds the word: most words are no addresses of the
    /// code in question. Arm64 may have signed them above bit 47.
    bool may_find(std::uint64_t word) const {
        const Va at{word & kAddressBits};
        return !sorted_.empty() && at >= sorted_.front().forbidden->range.begin && at <= sorted_.back().furthest_end &&
               (find(at) || find(at - 1));
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

    std::vector<Entry> sorted_;
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

/// Looks at one thread after the other, with one buffer for their stacks.
class Examiner {
  public:
    Examiner(target::Target& target, std::span<const Forbidden> forbidden, CodeMap& map)
        : target_(target), lookup_(forbidden), map_(map) {}

    Result<std::optional<Busy>> examine(const target::ThreadState& thread) {
        for (const Va ip : thread.other_ips)
            if (const Forbidden* found = lookup_.find(ip))
                return busy(thread, found, Busy::How::executing, ip, thread.sp);

        SUTURE_TRY(const bool readable, read_stack(thread));
        if (!readable) {
            if (const Forbidden* found = lookup_.find(thread.ip))
                return busy(thread, found, Busy::How::executing, thread.ip, thread.sp);
            return unexamined(thread);
        }
        if (nothing_to_find(thread))
            return std::nullopt;
        const Walk walk = walk_stack(target_.machine(), map_, thread, stack_);
        for (const Frame& frame : walk.frames)
            if (const Forbidden* found = lookup_.find(frame)) {
                const bool executing = frame.arrival == Arrival::executing;
                auto result =
                    busy(thread, found, executing ? Busy::How::executing : Busy::How::returns_into, frame.ip, frame.sp);
                result.frames = lines_of(map_, walk);
                return result;
            }
        return walk.complete ? std::nullopt : scan(thread, walk);
    }

  private:
    static Busy busy(const target::ThreadState& thread, const Forbidden* found, Busy::How how, Va at, Va slot) {
        return {.thread = thread.id, .name = found->name, .how = how, .at = at, .stack_slot = slot, .frames = {}};
    }

    Busy unexamined(const target::ThreadState& thread) {
        return {.thread = thread.id,
                .name = {},
                .how = Busy::How::unexamined,
                .at = thread.ip,
                .stack_slot = thread.sp,
                .frames = {map_.describe(thread.ip)}};
    }

    /// Copies the part of the stack in use to `stack_`; false if that cannot be done.
    Result<bool> read_stack(const target::ThreadState& thread) {
        const Va begin{thread.sp.value & ~(kWord - 1)};
        // At the very end nothing is in use yet.
        if (!thread.stack.contains(begin) && begin != thread.stack.end())
            return false;
        const std::uint64_t size = thread.stack.end() - begin;
        if (size > kMaxLiveStack)
            return false;
        if (buffer_.size() < size)
            buffer_.resize(size);
        for (std::uint64_t at = 0; at < size; at += kReadPiece) {
            const std::uint64_t piece = std::min(kReadPiece, size - at);
            const auto read = target_.read(begin + at, std::span(buffer_).subspan(at, piece));
            if (!read && read.error().code() == Code::target_read_failed)
                return false;
            SUTURE_CHECK(read);
        }
        stack_ = {begin, ByteView(buffer_.data(), size)};
        return true;
    }

    /// True if neither a register nor a word of the stack could be an address in forbidden code: then no walk, which
    /// takes all addresses from these, would find one. Threads wait for this.
    bool nothing_to_find(const target::ThreadState& thread) const {
        const auto may_find = [&](std::uint64_t word) { return lookup_.may_find(word); };
        if (thread.sp.value % kWord != 0 || may_find(thread.ip.value) ||
            std::ranges::any_of(thread.registers, may_find))
            return false;
        const ByteView bytes = stack_.bytes;
        for (std::size_t at = 0; at + kWord <= bytes.size(); at += kWord)
            if (may_find(*bytes.read<std::uint64_t>(at)))
                return false;
        return true;
    }

    std::optional<Busy> scan(const target::ThreadState& thread, const Walk& walk) {
        for (Va at{(walk.scanned_from.value + kWord - 1) & ~(kWord - 1)}; at < stack_.end(); at = at + kWord) {
            const auto word = stack_.word(at);
            const Forbidden* found = word ? lookup_.find(Va{*word}) : nullptr;
            if (!found)
                continue;
            auto result = busy(thread, found, Busy::How::found_in_scan, Va{*word}, at);
            result.frames = lines_of(map_, walk);
            return result;
        }
        return std::nullopt;
    }

    target::Target& target_;
    Lookup lookup_;
    CodeMap& map_;
    Bytes buffer_;
    StackView stack_;
};

} // namespace

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

Result<std::vector<Busy>> busy_threads(target::Target& target, std::span<const target::ThreadState> threads,
                                       std::span<const Forbidden> forbidden, CodeMap& map) {
    std::vector<Busy> found;
    if (forbidden.empty())
        return found;
    Examiner examiner(target, forbidden, map);
    for (const target::ThreadState& thread : threads) {
        SUTURE_TRY(auto busy, examiner.examine(thread));
        if (busy)
            found.push_back(std::move(*busy));
    }
    return found;
}

} // namespace suture::patch
