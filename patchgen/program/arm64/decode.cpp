#include "patchgen/program/arm64/decode.hpp"

#include "patchgen/program/arm64/register_flow.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::program::arm64 {

namespace {

/// Most times that a stretch is decoded until its literals are known: each one that lies in front of what reads it
/// makes one more.
constexpr int kMaxLiteralRounds = 32;

bool is_fill(Operation operation, std::uint32_t word) {
    return operation == Operation::nop || operation == Operation::breakpoint ||
           (operation == Operation::terminator && (word == 0 || word >> 21 == 0x6a1));
}

class Decoding {
  public:
    Decoding(const Stretch& stretch, std::vector<Instruction>& steps)
        : stretch_(stretch), size_(static_cast<std::uint32_t>(stretch.bytes.size()) & ~(kWord - 1)),
          data_(stretch.data.begin(), stretch.data.end()), steps_(steps) {}

    DecodedCode run() {
        if (stretch_.begin.value % kWord != 0 || (stretch_.end == End::exact && stretch_.bytes.size() % kWord != 0)) {
            stop(0, "not at a multiple of 4");
            return std::move(code_);
        }
        for (int round = 0; round < kMaxLiteralRounds; ++round) {
            start();
            walk();
            if (!again_)
                break;
        }
        if (again_)
            stop(0, "literals that are not understood");
        if (code_.undecoded.empty())
            check_branches();
        if (has_pages_ || has_register_jumps_)
            follow();
        return std::move(code_);
    }

    DecodedCode run_reached(std::span<const std::uint32_t> entries) {
        if (stretch_.begin.value % kWord != 0)
            return {};
        start();
        std::vector<bool> seen(size_ / kWord, false);
        std::vector<std::uint32_t> open(entries.begin(), entries.end());
        while (!open.empty()) {
            const std::uint32_t block = open.back();
            open.pop_back();
            const std::size_t before = code_.references.size();
            walk_block(block, seen);
            for (std::size_t i = before; i < code_.references.size(); ++i) {
                const auto& reference = code_.references[i];
                const std::uint32_t inside = reference.target - stretch_.begin;
                if (is_branch(reference.kind) && reference.target >= stretch_.begin && inside < size_)
                    open.push_back(inside);
            }
        }
        std::ranges::sort(code_.instructions);
        std::ranges::sort(code_.references);
        code_.undecoded.clear();
        code_.size = static_cast<std::uint32_t>(stretch_.bytes.size());
        return std::move(code_);
    }

  private:
    void start() {
        code_ = {};
        code_.instructions.reserve(size_ / kWord);
        steps_.assign(size_ / kWord, {});
        solid_end_ = 0;
        furthest_branch_ = stretch_.reaches;
        solid_terminator_ = solid_call_ = after_terminator_ = after_call_ = in_fill_ = false;
        again_ = has_pages_ = has_register_jumps_ = false;
        zeros_from_ = size_;
        while (zeros_from_ >= kWord && word_at(zeros_from_ - kWord) == 0)
            zeros_from_ -= kWord;
    }

    std::uint32_t word_at(std::uint32_t offset) const { return *stretch_.bytes.read<std::uint32_t>(offset); }

    void walk_block(std::uint32_t offset, std::vector<bool>& seen) {
        bool ended = offset % kWord != 0;
        while (!ended && offset < size_ && !seen[offset / kWord]) {
            const Instruction step = instruction_of(word_at(offset));
            if (step.operation == Operation::invalid)
                return;
            seen[offset / kWord] = true;
            if (!take(step, offset))
                return;
            code_.instructions.push_back(offset);
            offset += kWord;
            ended = ends_flow(step.operation);
        }
    }

    void stop(std::uint32_t offset, std::string_view why) {
        code_.undecoded = fmt::format("{} at 0x{:x}", why, stretch_.begin.value + offset);
        code_.stopped_at = offset;
        if (code_.size == 0)
            code_.size = static_cast<std::uint32_t>(stretch_.bytes.size()); // its end was not reached
    }

    void walk() {
        std::uint32_t offset = 0;
        for (std::size_t next = 0; offset < size_;) {
            // Literals add to the list in front of this place only where that makes another round.
            if (next < data_.size() && offset + kWord > data_[next].begin) {
                if (!after_terminator_ && !after_call_ && !in_fill_)
                    return stop(offset, "code runs into a table");
                offset = std::max(offset, (data_[next].end + kWord - 1) & ~(kWord - 1));
                solid_end_ = std::min(offset, size_);
                after_terminator_ = true; // no code runs on from data
                after_call_ = in_fill_ = false;
                ++next;
                continue;
            }
            const std::uint32_t word = word_at(offset);
            const Instruction step = instruction_of(word);
            if (step.operation == Operation::invalid) {
                if ((after_terminator_ || after_call_) && is_literal_of_what_follows(offset))
                    return;
                return stop(offset, "no instruction");
            }
            code_.instructions.push_back(offset);
            steps_[offset / kWord] = step;
            if (!take(step, offset) || again_)
                return;
            offset += kWord;
            if (ends_here(step.operation, word, offset))
                break;
        }
        finish(std::min(offset, size_));
    }

    /// Keeps the books on what is fill, and says whether the stretch ends behind this instruction.
    bool ends_here(Operation operation, std::uint32_t word, std::uint32_t end) {
        // Behind a call that never returns stands what belongs to the caller, as the return address does.
        const bool trap = after_call_ && operation != Operation::nop;
        const bool fill = is_fill(operation, word) && (after_terminator_ || after_call_ || in_fill_);
        in_fill_ = fill;
        if (fill && !trap) {
            if (after_call_)
                solid_end_ = end;
            after_call_ = false;
            after_terminator_ = after_terminator_ || operation != Operation::nop;
            return false;
        }
        solid_end_ = end;
        after_call_ = operation == Operation::call || operation == Operation::call_register;
        after_terminator_ = ends_flow(operation) || fill;
        solid_terminator_ = after_terminator_;
        solid_call_ = after_call_ || operation == Operation::breakpoint;
        if (!after_terminator_)
            return false;
        if (stretch_.end == End::flow)
            return end > furthest_branch_;
        return stretch_.end == End::trimmed && end >= zeros_from_ && end > furthest_branch_;
    }

    void finish(std::uint32_t offset) {
        if (stretch_.end == End::exact) {
            code_.size = offset;
            code_.ends_in_terminator = after_terminator_;
        } else {
            // Fill that the function itself jumps to is code.
            const bool fill_used = furthest_branch_ >= solid_end_ && furthest_branch_ < offset;
            code_.size = fill_used ? offset : solid_end_;
            code_.ends_in_terminator = fill_used ? after_terminator_ : solid_terminator_;
            while (!code_.instructions.empty() && code_.instructions.back() >= code_.size)
                code_.instructions.pop_back();
            while (!code_.references.empty() && code_.references.back().instruction >= code_.size)
                code_.references.pop_back();
        }
        steps_.resize(code_.size / kWord);
        code_.runs_on = !solid_call_ && !code_.ends_in_terminator;
        code_.stopped_at = code_.size;
    }

    bool take(const Instruction& step, std::uint32_t offset) {
        switch (step.operation) {
        case Operation::jump_register:
            has_register_jumps_ = true;
            return true;
        case Operation::adrp:
            has_pages_ = true;
            return add(step, offset, ReferenceKind::arm64_page21, Use::address, 0);
        case Operation::adr:
            has_pages_ = true;
            return add(step, offset, ReferenceKind::arm64_adr21, Use::address, 0);
        case Operation::literal:
            return add(step, offset, ReferenceKind::arm64_literal19, Use::read, step.access) &&
                   take_literal(step, offset);
        case Operation::call:
            return add(step, offset, ReferenceKind::arm64_branch26, Use::call, 0);
        case Operation::branch:
            return add(step, offset, ReferenceKind::arm64_branch26, Use::jump, 0);
        case Operation::conditional:
            return add(step, offset,
                       step.field == Field::branch14 ? ReferenceKind::arm64_branch14 : ReferenceKind::arm64_branch19,
                       Use::jump, 0);
        default:
            return true;
        }
    }

    bool add(const Instruction& step, std::uint32_t offset, ReferenceKind kind, Use use, std::uint32_t access) {
        const std::uint32_t at = stretch_.begin.value + offset;
        const std::int64_t from = kind == ReferenceKind::arm64_page21 ? at & ~(kPage - 1) : at;
        const std::int64_t to = from + step.value;
        if (to < 0 || to >= stretch_.image_size) {
            stop(offset, is_branch(kind) ? "branch out of the image" : "reference out of the image");
            return false;
        }
        const Rva target{static_cast<std::uint32_t>(to)};
        code_.references.push_back({.offset = offset,
                                    .size = 4,
                                    .kind = kind,
                                    .use = use,
                                    .access_size = access,
                                    .addend = 0,
                                    .target = target,
                                    .instruction = offset});
        const std::uint32_t inside = target - stretch_.begin;
        if (use == Use::jump && target >= stretch_.begin && inside < size_)
            furthest_branch_ = std::max(furthest_branch_, inside);
        return true;
    }

    /// A literal in the stretch is data. One that was decoded already makes another round.
    bool take_literal(const Instruction& step, std::uint32_t offset) {
        const Rva target = code_.references.back().target;
        if (target < stretch_.begin || target - stretch_.begin >= size_ || step.access == 0)
            return true;
        const std::uint32_t begin = target - stretch_.begin;
        const Extent literal{begin, std::min(begin + step.access, size_)};
        again_ = add_data(literal) && literal.begin <= offset;
        return true;
    }

    /// False if it is known already.
    bool add_data(Extent literal) {
        const auto next = std::ranges::upper_bound(data_, literal.begin, {}, &Extent::begin);
        if (next != data_.begin() && std::prev(next)->end >= literal.end)
            return false;
        data_.insert(next, literal);
        disjoin(data_);
        return true;
    }

    /// Literals may stand in front of what reads them. Makes another round if these do.
    bool is_literal_of_what_follows(std::uint32_t offset) {
        for (std::uint32_t at = offset + kWord; at < size_; at += kWord) {
            const Instruction step = instruction_of(word_at(at));
            const std::int64_t from = std::int64_t{at} + step.value;
            if (step.operation != Operation::literal || from > offset || from + step.access <= offset || from < 0)
                continue;
            add_data(
                {static_cast<std::uint32_t>(from), std::min(static_cast<std::uint32_t>(from) + step.access, size_)});
            again_ = true;
            return true;
        }
        return false;
    }

    static void disjoin(std::vector<Extent>& list) {
        std::size_t kept = 0;
        for (std::size_t i = 1; i < list.size(); ++i) {
            if (list[i].begin < list[kept].end)
                list[kept].end = std::max(list[kept].end, list[i].end);
            else
                list[++kept] = list[i];
        }
        list.resize(kept + 1);
    }

    void check_branches() {
        for (const auto& reference : code_.references) {
            if (!is_branch(reference.kind) || reference.target < stretch_.begin)
                continue;
            const std::uint32_t inside = reference.target - stretch_.begin;
            if (inside < code_.size &&
                (inside / kWord >= steps_.size() || steps_[inside / kWord].operation == Operation::invalid))
                return stop(reference.instruction, "branch into data");
        }
    }

    void follow() {
        RegisterFlow flow = follow_registers(stretch_, steps_, {}, Reach::everything);
        code_.references.insert(code_.references.end(), flow.references.begin(), flow.references.end());
        std::ranges::sort(code_.references);
        code_.page_uses = std::move(flow.page_uses);
        code_.address_tables = std::move(flow.address_tables);
        // What is found where tables are not yet known is not final.
        code_.jumps_by_register = has_register_jumps_ && (!flow.switches.empty() || !flow.undecoded.empty());
        code_.reads_itself = !flow.data.empty();
        if (code_.undecoded.empty() && !code_.jumps_by_register && !code_.reads_itself && !flow.undecoded.empty()) {
            code_.undecoded = std::move(flow.undecoded);
            code_.stopped_at = 0;
        }
    }

    const Stretch& stretch_;
    const std::uint32_t size_; ///< bytes of whole words
    std::vector<Extent> data_; ///< what is no code, literals included; ascending, not overlapping
    std::vector<Instruction>& steps_;
    DecodedCode code_;
    std::uint32_t zeros_from_ = 0;
    std::uint32_t solid_end_ = 0;
    std::uint32_t furthest_branch_ = 0;
    bool solid_terminator_ = false;
    bool solid_call_ = false;
    bool after_terminator_ = false;
    bool after_call_ = false;
    bool in_fill_ = false;
    bool again_ = false;
    bool has_pages_ = false;
    bool has_register_jumps_ = false;
};

/// One for each thread, so that most functions allocate nothing for it.
std::vector<Instruction>& shared_steps() {
    thread_local std::vector<Instruction> steps;
    return steps;
}

} // namespace

DecodedCode decode(const Stretch& stretch) {
    return Decoding(stretch, shared_steps()).run();
}

DecodedCode decode_reached(const Stretch& stretch, std::span<const std::uint32_t> entries) {
    return Decoding(stretch, shared_steps()).run_reached(entries);
}

bool is_fill(ByteView bytes) {
    for (std::size_t at = 0; at < bytes.size(); at += kWord) {
        const auto word = bytes.read<std::uint32_t>(at);
        if (!word || !is_fill(instruction_of(*word).operation, *word))
            return false;
    }
    return true;
}

} // namespace suture::program::arm64
