#include "patchgen/prove/arm64/lockstep.hpp"

#include "patchgen/prove/arm64/register_state.hpp"
#include "patchgen/prove/arm64/veneer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace suture::prove::arm64 {

using program::Use;

namespace {

constexpr std::uint32_t kRva32 = 0xffffffff;
constexpr Registers kThrown = 3;               // x0 and x1: what the unwinder passes on, the same on both sides
constexpr Registers kNonvolatile = 0x3ff80000; // x19 to x29
constexpr Registers kArguments = 0xff;         // x0 to x7
constexpr std::uint32_t kCondition = 0xf;
constexpr std::uint32_t kAlways = 14;
constexpr std::uint32_t kNop = 0xd503201f;
constexpr std::uint32_t kBreak = 0xd43e0000; // brk #0xf000

std::string list_of(Registers registers) {
    std::string text;
    for (std::uint32_t number = 0; number < kZero; ++number)
        if (registers >> number & 1)
            text += fmt::format("{}x{}", text.empty() ? "" : ", ", number);
    return text;
}

/// What differs between both sides are bare pages that adrp instructions have left, and what veneers have. Whoever is
/// told of them reads them or does not: direct calls and jumps pass them on as goals. Where nobody can be told, at
/// calls through pointers and at returns, the calling convention says who reads what, and no argument or result is a
/// bare page: a compiler knows the address of no page, only of what an add or a load goes on to. Likewise, where a
/// function stores the argument registers that its caller has left as they were, as those of variable arguments do,
/// what it loads from there again are arguments, and nothing that was none. And where a prologue saves registers that
/// must be kept, as that of a funclet does with what the function has left in them, nothing but what gives them back
/// loads them again; whoever gets them back had them before.
class Lockstep {
  public:
    explicit Lockstep(const Question& question)
        : question_(question), begin_(question.function.range.begin),
          size_(static_cast<std::uint32_t>(question.code.size())), is_data_(size_ / kWordSize),
          is_join_(size_ / kWordSize), reached_(size_ / kWordSize) {}

    Result<Comparison> run() {
        if (begin_.value % kWordSize != 0 || size_ % kWordSize != 0 || question_.entry.rva.value % kWordSize != 0)
            return failed(0, "it is not made of whole instructions");
        for (const program::JumpTable& table : question_.function.jump_tables)
            if (question_.function.range.contains(table.range()))
                mark_data(table.at - begin_, table.range().size);
        look_ahead();
        for (const auto& [offset, different] : question_.entries)
            if (offset < size_)
                start(offset, different, offset == 0 ? Value::Kind::left : Value::Kind::different);
        for (const std::uint32_t offset : question_.taken) {
            mark_join(offset);
            if (jumps_by_register_)
                labels_.insert(offset);
            else
                start(offset, suspects_);
        }
        for (const std::uint32_t offset : question_.caught)
            mark_join(offset);
        settle();
        // Paths may lead there as well.
        hidden_.assign(question_.caught.begin(), question_.caught.end());
        for (const std::uint32_t offset : hidden_)
            start(offset, differing());
        settle();
        // What no path has led to is entered in ways that the code does not show.
        for (std::uint32_t offset = 0; offset < size_; offset += kWordSize) {
            if (reached_[offset / kWordSize] || is_data_[offset / kWordSize])
                continue;
            if (is_fill(offset)) {
                SUTURE_CHECK(compare_fill(offset));
                continue;
            }
            const bool is_known =
                marks_the_end(offset) || (question_.jumped_to.contains(offset) && !question_.has_handler());
            if (!is_known)
                hidden_.push_back(offset);
            start(offset, is_known ? 0 : differing());
            settle();
        }
        for (Registers known = 0; known != differing();) {
            known = differing();
            for (const std::uint32_t offset : hidden_)
                start(offset, known);
            settle();
        }
        for (const auto& [offset, state] : joins_)
            SUTURE_CHECK(check_from(offset, state));
        result_.different_when_thrown = thrown_ & ~kThrown;
        std::ranges::sort(result_.fields);
        std::ranges::sort(result_.meetings, {}, &Meeting::at);
        return std::move(result_);
    }

  private:
    std::unexpected<Error> failed(std::uint32_t offset, std::string detail) const {
        return fail(Error(Code::proof_failed, std::move(detail)).at(begin_ + offset));
    }

    std::uint32_t word(std::uint32_t offset) const { return *question_.code.read<std::uint32_t>(offset); }

    /// Offset of an address in this function, if it is one.
    std::optional<std::uint32_t> inside(std::uint64_t address) const {
        const std::uint64_t offset = address - begin_.value;
        return address >= begin_.value && offset < size_ ? std::optional(static_cast<std::uint32_t>(offset))
                                                         : std::nullopt;
    }

    std::uint64_t target_of(std::uint32_t offset) const { return address_of(word(offset), (begin_ + offset).value); }

    void mark_data(std::uint32_t offset, std::uint32_t size) {
        for (std::uint32_t i = offset / kWordSize; i < is_data_.size() && i * kWordSize < offset + size; ++i)
            is_data_[i] = true;
    }

    void mark_join(std::uint64_t offset) {
        if (offset < size_ && offset % kWordSize == 0)
            is_join_[offset / kWordSize] = true;
    }

    /// Where paths can meet, and which registers can ever hold a page or what a veneer left.
    void look_ahead() {
        const auto targets_inside = [&](auto visit) {
            for (const program::JumpTable& table : question_.function.jump_tables)
                for (const Rva target : table.targets)
                    if (const auto offset = inside(target.value))
                        visit(*offset);
        };
        targets_inside([&](std::uint32_t offset) { switch_targets_.insert(offset); });
        std::vector<std::pair<std::uint32_t, std::uint32_t>> copies;
        for (std::uint32_t offset = 0; offset < size_; offset += kWordSize) {
            if (is_data_[offset / kWordSize])
                continue;
            const Distance distance = distance_of(word(offset));
            if (distance.form == Form::branch || distance.form == Form::conditional_branch) {
                if (const auto to = inside(target_of(offset)); to && *to != 0)
                    mark_join(*to);
            } else if (distance.form == Form::adr) {
                // A label that no table counts from may be a place to jump to.
                const auto to = inside(target_of(offset));
                const bool is_base = to && std::ranges::any_of(question_.function.jump_tables, [&](const auto& table) {
                                         return table.base == begin_ + *to || table.at == begin_ + *to;
                                     });
                if (to && !is_base && *to % kWordSize == 0)
                    labels_.insert(*to);
            } else if (distance.form == Form::adrp && (word(offset) & 0x1f) != kZero && !is_taken_as_it_is(offset)) {
                suspects_ |= 1u << (word(offset) & 0x1f);
            }
            if (const auto copy = copy_of(word(offset)))
                copies.push_back(*copy);
            jumps_by_register_ |= flow_of(word(offset)) == Flow::anywhere;
            if (is_replaced(offset))
                suspects_ |= 1u << 16 | 1u << 17;
        }
        for (bool more = true; more;) {
            more = false;
            for (const auto& [to, from] : copies)
                if (suspects_ >> from & 1 && !(suspects_ >> to & 1)) {
                    suspects_ |= 1u << to;
                    more = true;
                }
        }
        for (const auto& [offset, different] : question_.entries)
            suspects_ |= different;
        for (const std::uint32_t offset : switch_targets_)
            mark_join(offset);
        for (const std::uint32_t offset : labels_)
            mark_join(offset);
    }

    /// True for an adrp that makes the same page of the baseline, where such are not followed.
    bool is_taken_as_it_is(std::uint32_t offset) const {
        const std::uint64_t page = target_of(offset);
        return question_.takes_pages_as_they_are && page <= kRva32 &&
               question_.patched.address(question_.entry + offset) == Place{false, {static_cast<std::uint32_t>(page)}};
    }

    /// True if a branch stands for an instruction that is none.
    bool is_replaced(std::uint32_t offset) const {
        const auto theirs = question_.patched.word(question_.entry + offset);
        return theirs && distance_of(*theirs).form == Form::branch && distance_of(word(offset)).form != Form::branch;
    }

    void start(std::uint32_t offset, Registers different, Value::Kind kind = Value::Kind::different) {
        mark_join(offset);
        arrive(offset, RegisterState(different, kind));
    }

    void arrive(std::uint32_t offset, const RegisterState& state) {
        if (offset >= size_ || offset % kWordSize != 0)
            return;
        const auto [known, first] = joins_.try_emplace(offset, state);
        if (first || known->second.join(state))
            pending_.insert(offset);
    }

    void settle() {
        while (!pending_.empty()) {
            const std::uint32_t from = *pending_.begin();
            pending_.erase(pending_.begin());
            RegisterState state = joins_.at(from);
            selected_.reset();
            for (std::uint32_t offset = from; offset < size_; offset += kWordSize) {
                reached_[offset / kWordSize] = true;
                note(offset, state);
                const auto checked = step(offset, state, false);
                note(offset, state);
                for (const std::uint32_t to : next_)
                    arrive(to, if_taken_ ? *if_taken_ : state);
                if (flow_of(word(offset)) != Flow::on)
                    break;
                const std::uint32_t behind = offset + kWordSize;
                if (ends_before_data(offset) || never_returns(offset))
                    break;
                if (behind < size_ && is_join_[behind / kWordSize]) {
                    arrive(behind, state);
                    break;
                }
            }
        }
    }

    Result<void> check_from(std::uint32_t from, RegisterState state) {
        selected_.reset();
        for (std::uint32_t offset = from; offset < size_; offset += kWordSize) {
            if (is_data_[offset / kWordSize])
                return failed(offset, "code that is data too");
            SUTURE_CHECK(step(offset, state, true));
            if (flow_of(word(offset)) != Flow::on)
                break;
            if (ends_before_data(offset) || never_returns(offset) ||
                (offset + kWordSize < size_ && is_join_[(offset + kWordSize) / kWordSize]))
                break;
        }
        return {};
    }

    /// Where nothing shows how control gets to some code, registers may hold different values that do so anywhere in
    /// the function. With an exception handler they do where something can be thrown, and x0 and x1 come from the
    /// unwinder.
    Registers differing() const { return question_.has_handler() ? thrown_ & ~kThrown : seen_; }

    void note(std::uint32_t offset, const RegisterState& state) {
        const std::uint32_t ours = word(offset);
        const bool accesses_memory = (ours >> 25 & 5) == 4; // Arm ARM, C4.1: loads and stores
        seen_ |= state.not_same();
        if (accesses_memory || is_call(ours) || flow_of(ours) == Flow::anywhere || is_replaced(offset))
            thrown_ |= state.not_same();
    }

    /// True for a NOP that aligns the literals behind it, or the code, to which control comes from elsewhere.
    bool is_fill(std::uint32_t offset) const {
        std::uint32_t end = offset;
        while (end < size_ && !is_data_[end / kWordSize] && !reached_[end / kWordSize] && word(end) == kNop)
            end += kWordSize;
        return end != offset && end < size_ && (is_data_[end / kWordSize] || reached_[end / kWordSize]);
    }

    Result<void> compare_fill(std::uint32_t offset) const {
        const auto theirs = question_.patched.word(question_.entry + offset);
        return theirs == word(offset) ? Result<void>() : failed(offset, "fill that differs");
    }

    /// True for a system call behind which nothing can run: what MSVC puts where control never comes. Nobody relies on
    /// what registers hold there.
    bool marks_the_end(std::uint32_t offset) const {
        constexpr std::uint32_t kSystemCall = 0xd4000001;
        if ((word(offset) & 0xffe0001f) != kSystemCall)
            return false;
        const std::uint32_t behind = offset + kWordSize;
        return behind >= size_ || word(behind) >> 16 == 0; // udf
    }

    /// True for a call that does not return, since no code is behind it, and for the trap that MSVC puts behind one.
    bool ends_before_data(std::uint32_t offset) const {
        if (!is_call(word(offset)) && word(offset) != kBreak)
            return false;
        std::uint32_t behind = offset + kWordSize;
        while (behind < size_ && !is_data_[behind / kWordSize] && !is_join_[behind / kWordSize] && word(behind) == kNop)
            behind += kWordSize;
        return behind < size_ && is_data_[behind / kWordSize];
    }

    /// What is known of what a direct call at `offset` leads to; nothing of any other instruction, and of a call within
    /// the function.
    std::optional<Callee> callee_at(std::uint32_t offset) const {
        if (distance_of(word(offset)).form != Form::call)
            return std::nullopt;
        const std::uint64_t target = target_of(offset);
        if (target > kRva32 || inside(target))
            return std::nullopt;
        return question_.callee(Rva{static_cast<std::uint32_t>(target)},
                                question_.patched.address(question_.entry + offset));
    }

    bool never_returns(std::uint32_t offset) const {
        const auto callee = callee_at(offset);
        return callee && !callee->returns;
    }

    /// Compares one instruction and sets `state` to what holds behind it, and `next_` to where else control may go.
    /// Errors count only once the states are settled, when `checking`: then all that is met is noted.
    Result<void> step(std::uint32_t offset, RegisterState& state, bool checking) {
        next_.clear();
        if_taken_.reset();
        checking_ = checking;
        const std::uint32_t ours = word(offset);
        const auto selected = std::exchange(selected_, std::nullopt);
        const Distance distance = distance_of(ours);
        const auto theirs = question_.patched.word(question_.entry + offset);
        const RegisterUse use = registers_of(ours);
        if (!theirs) {
            state.forget(use.writes);
            return failed(offset, fmt::format("there is no code at {}", (question_.entry + offset).text()));
        }
        if (is_replaced(offset))
            return through_veneer(offset, *theirs, state);
        const auto user = page_user(ours);
        const Value* base = user && user->base != kZero ? state.find(user->base) : nullptr;
        if (base && base->kind == Value::Kind::page)
            return use_page(offset, *theirs, *user, *base, state);
        if ((ours ^ *theirs) & ~distance.mask) {
            state.forget(use.writes);
            return failed(offset, fmt::format("0x{:08x} in the updated image, 0x{:08x} at {}", ours, *theirs,
                                              (question_.entry + offset).text()));
        }
        if (const auto copy = copy_of(ours)) {
            if (!state.find(copy->second)) {
                state.forget(use.writes);
                return {};
            }
            const Value value = *state.find(copy->second);
            state.set(copy->first, value);
            return value.kind == Value::Kind::page || value.is_same() ? Result<void>()
                                                                      : misused(offset, use.reads & state.not_same());
        }
        if (const auto selection = selection_of(ours); selection && use.reads & state.not_same() && use.writes) {
            select(*selection, state);
            return {};
        }
        const Registers misread =
            use.reads & state.not_same() & ~homed(ours, state) & ~saved(offset, state) & ~results(ours, state);
        if (misread) {
            for (std::uint32_t number = 0; number < kZero; ++number)
                if (use.writes >> number & 1)
                    state.set(number, {});
            return misused(offset, misread);
        }
        if (distance.form != Form::none) {
            auto made = make_address(offset, distance, state);
            if (selected && is_conditional(ours))
                part_ways(*selected, ours & kCondition, state);
            return made;
        }
        return leave(offset, use, state);
    }

    static bool is_conditional(std::uint32_t word) { return (word & 0xff000010) == 0x54000000; } // b.cond

    /// What a csel gets of a register, where that is one and not the same.
    static std::optional<Value> value_in(const RegisterState& state, std::uint32_t number, bool whole) {
        const Value* value = number == kZero ? nullptr : state.find(number);
        if (!value || value->is_same())
            return std::nullopt;
        return whole && value->kind == Value::Kind::page ? *value : Value{};
    }

    static void assign(RegisterState& state, std::uint32_t number, const std::optional<Value>& value) {
        if (value)
            state.set(number, *value);
        else
            state.forget(1u << number);
    }

    /// Compilers select from a register that holds nothing yet where a branch on the same condition follows, behind
    /// which that one is set.
    void select(const Selection& selection, RegisterState& state) {
        const auto if_true = value_in(state, selection.if_true, selection.whole);
        const auto if_false = value_in(state, selection.if_false, selection.whole);
        assign(state, selection.result, if_true == if_false ? if_true : Value{});
        selected_ = {selection.result, selection.condition, if_true, if_false};
    }

    /// Behind a branch on the condition of a selection it is known what was selected.
    struct Selected {
        std::uint32_t result;
        std::uint32_t condition;
        std::optional<Value> if_true;
        std::optional<Value> if_false;
    };
    void part_ways(const Selected& selected, std::uint32_t condition, RegisterState& state) {
        const bool opposite = (condition ^ 1) == selected.condition;
        if (condition >= kAlways || (condition != selected.condition && !opposite))
            return;
        if_taken_ = state;
        assign(*if_taken_, selected.result, opposite ? selected.if_false : selected.if_true);
        assign(state, selected.result, opposite ? selected.if_true : selected.if_false);
    }

    /// The argument registers that `word` stores into the frame, where they hold what the caller has left there.
    static Registers homed(std::uint32_t word, const RegisterState& state) {
        constexpr std::uint32_t kFramePointer = 29;
        const bool is_one = (word & 0xffc00000) == 0xf9000000;  // str x, [x, #imm]
        const bool is_pair = (word & 0xffc00000) == 0xa9000000; // stp x, x, [x, #imm]
        const std::uint32_t base = word >> 5 & 0x1f;
        if ((!is_one && !is_pair) || (base != kZero && base != kFramePointer))
            return 0;
        Registers result = 0;
        for (const std::uint32_t number : {word & 0x1f, is_pair ? word >> 10 & 0x1f : word & 0x1f})
            if (const Value* value = state.find(number); value && value->kind == Value::Kind::left)
                result |= 1u << number & kArguments;
        return result;
    }

    /// The registers in which `word` reads what a call has left there for its result: a bare page that was there before
    /// would be read for nothing but to go on from it.
    static Registers results(std::uint32_t word, const RegisterState& state) {
        const std::uint32_t base = word >> 5 & 0x1f;
        const bool goes_on = page_user(word).has_value() || (word >> 25 & 5) == 4; // Arm ARM, C4.1: loads and stores
        Registers result = 0;
        for (const std::uint32_t number : {0u, 1u})
            if (const Value* value = state.find(number);
                value && value->kind == Value::Kind::clobbered && !(goes_on && base == number))
                result |= 1u << number;
        return result;
    }

    /// The registers that the instruction at `offset` saves, as one of a prologue.
    Registers saved(std::uint32_t offset, const RegisterState& state) const {
        const std::uint32_t stored = stored_to_stack(word(offset)) & kNonvolatile;
        return (stored & state.not_same()) != 0 && question_.is_in_prologue(offset) ? stored : 0;
    }

    std::unexpected<Error> misused(std::uint32_t offset, Registers registers) const {
        return failed(offset, fmt::format("what {} holds here is not proved to be the same", list_of(registers)));
    }

    void meet(std::uint32_t offset, Rva updated, Place place, Use use, std::uint32_t access_size,
              Registers different = 0) {
        if (checking_)
            result_.meetings.push_back({begin_ + offset, updated, place, use, access_size, different});
    }

    void used(Place field) {
        if (checking_ && field.in_package)
            result_.fields.push_back(field.rva);
    }

    /// Instructions that make no address: calls and jumps by register, returns, and all that only computes.
    Result<void> leave(std::uint32_t offset, const RegisterUse& use, RegisterState& state) {
        const std::uint32_t ours = word(offset);
        if (is_return(ours)) {
            const Registers kept = state.not_same() & kNonvolatile;
            return kept ? Result<void>(misused(offset, kept)) : Result<void>();
        }
        if (flow_of(ours) == Flow::anywhere) {
            const Value* where = state.find(ours >> 5 & 0x1f);
            const bool leaves = where && where->kind == Value::Kind::imported;
            const bool may_stay = !leaves && (!question_.function.jump_tables.empty() || !labels_.empty());
            next_ = where && where->kind == Value::Kind::label ? targets_from(where->updated)
                                                               : std::vector<std::uint32_t>();
            if (next_.empty() && may_stay) {
                next_.assign(switch_targets_.begin(), switch_targets_.end());
                next_.insert(next_.end(), labels_.begin(), labels_.end());
            }
            if (checking_ && may_stay)
                result_.different_at_tables |= state.not_same();
            if (!may_stay)
                if (const Registers kept = state.not_same() & kNonvolatile)
                    return misused(offset, kept);
            return {};
        }
        if (is_call(ours)) {
            const Value* callee = state.find(ours >> 5 & 0x1f);
            state.call(callee && callee->kind == Value::Kind::guard ? kKeptByGuard : 0);
            state.forget(use.writes);
            return {};
        }
        const auto label = label_of_sum(ours, state);
        state.forget(use.writes);
        if (label)
            state.set(ours & 0x1f, *label);
        return {};
    }

    /// The label that an add of two registers starts from.
    static std::optional<Value> label_of_sum(std::uint32_t word, const RegisterState& state) {
        const bool is_add = (word & 0xff200000) == 0x8b000000 || (word & 0xffe00000) == 0x8b200000;
        if (!is_add || (word & 0x1f) == kZero)
            return std::nullopt;
        for (const unsigned field : {5u, 16u})
            if (const Value* value = state.find(word >> field & 0x1f); value && value->kind == Value::Kind::label)
                return *value;
        return std::nullopt;
    }

    /// Where the tables that count from `base` lead to within the function.
    std::vector<std::uint32_t> targets_from(Rva base) const {
        std::vector<std::uint32_t> result;
        for (const program::JumpTable& table : question_.function.jump_tables)
            if (table.base == base)
                for (const Rva target : table.targets)
                    if (const auto offset = inside(target.value))
                        result.push_back(*offset);
        return result;
    }

    bool is_base(Rva address) const {
        return std::ranges::any_of(question_.function.jump_tables,
                                   [&](const program::JumpTable& table) { return table.base == address; });
    }

    void set_label(RegisterState& state, std::uint32_t number, Rva address) const {
        if (number != kZero && is_base(address))
            state.set(number, {Value::Kind::label, address, std::nullopt});
    }

    /// An add, load or store that goes on from a page.
    Result<void> use_page(std::uint32_t offset, std::uint32_t theirs, const PageUser& user, const Value base,
                          RegisterState& state) {
        const std::uint32_t ours = word(offset);
        const RegisterUse use = registers_of(ours);
        // What is stored must be the same by itself.
        const Registers misread = use.reads & state.not_same() & ~(1u << user.base);
        const bool stores_page = user.use == Use::write && (ours >> 26 & 1) == 0 && user.value == user.base;
        state.forget(use.writes);
        if (user.is_add && user.value == kZero)
            return failed(offset, "a stack pointer made from a page");
        if ((ours ^ theirs) & ~kOffsetMask)
            return failed(offset, fmt::format("0x{:08x} in the updated image, 0x{:08x} at {}", ours, theirs,
                                              (question_.entry + offset).text()));
        if (misread || stores_page)
            return misused(offset, stores_page ? 1u << user.base : misread);
        if (!base.place)
            return failed(offset,
                          fmt::format("the page that {} goes on from is nowhere", (question_.entry + offset).text()));
        meet(offset, base.updated + user.offset, *base.place + page_user(theirs)->offset, user.use, user.access_size);
        if (user.is_add)
            set_label(state, user.value, base.updated + user.offset);
        else if (use.writes == Registers{1} << user.value)
            set_loaded(state, user.value, base.updated + user.offset);
        return {};
    }

    /// What is known of what was loaded from `slot`.
    void set_loaded(RegisterState& state, std::uint32_t number, Rva slot) const {
        if (slot == question_.guard_check)
            state.set(number, {Value::Kind::guard, slot, std::nullopt});
        else if (question_.is_import(slot))
            state.set(number, {Value::Kind::imported, slot, std::nullopt});
    }

    Result<void> make_address(std::uint32_t offset, const Distance& distance, RegisterState& state) {
        const std::uint32_t ours = word(offset);
        const Place at = question_.entry + offset;
        const std::uint64_t target = target_of(offset);
        auto place = question_.patched.address(at);
        const std::uint32_t result = ours & 0x1f;
        used(at);
        if (distance.form == Form::adrp && is_taken_as_it_is(offset)) {
            state.forget(1u << result & ~(1u << kZero));
            if (checking_)
                result_.pages.insert(place->rva);
            return {};
        }
        if (distance.form == Form::adrp) {
            if (result != kZero)
                state.set(result, {Value::Kind::page, {static_cast<std::uint32_t>(target)}, place});
            return target <= kRva32 ? Result<void>() : failed(offset, "a page outside the image");
        }
        const Registers different = state.not_same();
        if (distance.form == Form::call) {
            const auto callee = callee_at(offset);
            state.call(callee ? callee->kept : 0);
        }
        state.forget(registers_of(ours).writes);
        if (target > kRva32 || !place)
            return failed(offset, fmt::format("a reference of {} leads nowhere", at.text()));
        const Rva updated{static_cast<std::uint32_t>(target)};
        if (distance.form == Form::adr)
            set_label(state, result, updated);
        const auto to = inside(target);
        const bool jumps = distance.form == Form::branch || distance.form == Form::conditional_branch;
        if (to && (!jumps || *to != 0) && distance.form != Form::call) {
            if (*place != question_.entry + *to)
                return failed(offset, fmt::format("a reference within the function leads to {}", place->text()));
            if (jumps) {
                next_.push_back(*to);
            } else if (distance.form == Form::literal) {
                mark_data(*to, distance.access_size);
                auto& size = result_.literals[*to];
                size = std::max(size, distance.access_size);
            } else {
                meet(offset, updated, *place, Use::address, 0);
            }
            return {};
        }
        switch (distance.form) {
        case Form::call:
            meet(offset, updated, *place, Use::call, 0, different & ~kNonvolatile);
            break;
        case Form::branch:
            meet(offset, updated, *place, Use::jump, 0, different);
            break;
        case Form::conditional_branch: {
            SUTURE_CHECK(resolve_branch(offset, updated, *place));
            meet(offset, updated, *place, Use::jump, 0, different);
            break;
        }
        case Form::literal:
            meet(offset, updated, *place, distance.access_size != 0 ? Use::read : Use::address, distance.access_size);
            break;
        default:
            meet(offset, updated, *place, Use::address, 0);
        }
        return {};
    }

    /// Follows a branch that does not reach to a veneer that does.
    Result<void> resolve_branch(std::uint32_t offset, Rva updated, Place& place) {
        const auto theirs = question_.patched.word(place);
        const auto ours = question_.updated_word(updated);
        if (!place.in_package || !theirs || distance_of(*theirs).form != Form::branch ||
            (ours && distance_of(*ours).form == Form::branch))
            return {};
        const auto to = question_.patched.address(place);
        if (!to)
            return failed(offset, fmt::format("the veneer at {} leads nowhere", place.text()));
        used(place);
        SUTURE_CHECK(take_veneer(offset, place, kWordSize));
        place = *to;
        return {};
    }

    Result<void> take_veneer(std::uint32_t offset, Place at, std::uint32_t size) {
        if (!at.in_package || (question_.entry.in_package && at.rva.value + size > question_.entry.rva.value &&
                               at.rva.value < question_.entry.rva.value + size_))
            return failed(offset, fmt::format("{} is no place for a veneer", at.text()));
        if (checking_) {
            const auto [known, first] = result_.veneers.try_emplace(at.rva, Comparison::Veneer{size, offset});
            if (!first && known->second.instruction != offset)
                return failed(offset, fmt::format("the veneer at {} serves another instruction too", at.text()));
        }
        return {};
    }

    Result<void> through_veneer(std::uint32_t offset, std::uint32_t theirs, RegisterState& state) {
        const std::uint32_t ours = word(offset);
        const Place at = question_.entry + offset;
        const RegisterUse use = registers_of(ours);
        const Distance distance = distance_of(ours);
        const auto user = page_user(ours);
        const Value* base = user && user->base != kZero ? state.find(user->base) : nullptr;
        const bool goes_on_from_page = base && base->kind == Value::Kind::page;
        Meeting meeting{begin_ + offset, {}, {}, Use::address, 0, 0};
        if (goes_on_from_page) {
            meeting.updated = base->updated + user->offset;
            meeting.use = user->use;
            meeting.access_size = user->access_size;
        } else if (distance.form == Form::adr || distance.form == Form::literal) {
            meeting.updated = {static_cast<std::uint32_t>(target_of(offset))};
            meeting.use = distance.form == Form::adr || distance.access_size == 0 ? Use::address : Use::read;
            meeting.access_size = distance.access_size;
        } else {
            state.forget(use.writes);
            return failed(offset,
                          fmt::format("0x{:08x} in the updated image, 0x{:08x} at {}", ours, theirs, at.text()));
        }
        const Registers misread = use.reads & state.not_same() & ~(goes_on_from_page ? 1u << user->base : Registers{0});
        const bool stores_page =
            goes_on_from_page && user->use == Use::write && (ours >> 26 & 1) == 0 && user->value == user->base;
        state.forget(use.writes);
        const auto to = question_.patched.address(at);
        if (!to || misread || stores_page || (inside(meeting.updated.value) && distance.form == Form::literal))
            return failed(offset, fmt::format("a veneer at {} that does not fit", at.text()));
        used(at);
        auto veneer = run_veneer(question_.patched, *to, at + kWordSize, ours);
        if (!veneer)
            return failed(offset, fmt::format("the veneer of {}: {}", at.text(), veneer.error()));
        for (std::uint32_t number = 0; number < kZero; ++number)
            if (veneer->clobbered >> number & 1)
                state.set(number, {});
        SUTURE_CHECK(take_veneer(offset, *to, veneer->size));
        for (const Place field : veneer->fields)
            used(field);
        meeting.place = veneer->place;
        if (distance.form == Form::adr || (user && user->is_add))
            set_label(state, ours & 0x1f, meeting.updated);
        if (checking_)
            result_.meetings.push_back(meeting);
        return {};
    }

    const Question& question_;
    Rva begin_;
    std::uint32_t size_;
    std::vector<bool> is_data_;
    std::vector<bool> is_join_;
    std::vector<bool> reached_;
    Registers suspects_ = 0;
    Registers seen_ = 0;                ///< held different values at some point
    Registers thrown_ = 0;              ///< those at points where exceptions begin, or jumps to somewhere
    std::vector<std::uint32_t> hidden_; ///< code that is entered in ways that no path shows
    bool jumps_by_register_ = false;
    std::set<std::uint32_t> switch_targets_;
    std::set<std::uint32_t> labels_;
    std::map<std::uint32_t, RegisterState> joins_;
    std::set<std::uint32_t> pending_;
    std::vector<std::uint32_t> next_;
    std::optional<RegisterState> if_taken_; ///< what holds where a branch leads, if not what holds behind it
    std::optional<Selected> selected_;      ///< by the instruction in front
    bool checking_ = false;
    Comparison result_;
};

} // namespace

Callee callee_of(ByteView code, Rva begin) {
    constexpr std::uint64_t kMostWords = 16;   // of a helper
    constexpr Registers kScratch = 0x40030000; // x16 and x17, which stubs use, and the link register
    const std::uint64_t words = code.size() / kWordSize;
    Callee callee{words <= kMostWords ? ~kScratch : 0, false};
    for (std::uint64_t i = 0; i < words; ++i) {
        const std::uint32_t word = *code.read<std::uint32_t>(i * kWordSize);
        const Distance distance = distance_of(word);
        const std::uint64_t at = begin.value + i * kWordSize;
        const bool branches = distance.form == Form::branch || distance.form == Form::conditional_branch;
        const std::uint64_t to = branches ? address_of(word, at) : at;
        callee.returns |=
            is_return(word) || flow_of(word) == Flow::anywhere || to < begin.value || to >= begin.value + code.size();
        const RegisterUse use = registers_of(word);
        callee.kept &= branches || is_call(word) || flow_of(word) == Flow::anywhere ? 0 : ~(use.reads | use.writes);
    }
    // Nor is it known where code goes that runs into what lies behind it.
    const auto last = words != 0 ? code.read<std::uint32_t>((words - 1) * kWordSize) : std::nullopt;
    callee.returns |= !last || (flow_of(*last) == Flow::on && !is_call(*last));
    return callee;
}

Result<Comparison> compare(const Question& question) {
    return Lockstep(question).run();
}

} // namespace suture::prove::arm64
