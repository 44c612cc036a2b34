#pragma once

#include "patchgen/program/counting.hpp"
#include "patchgen/program/machine_code.hpp"

#include <array>
#include <limits>

namespace suture::program {

/// What registers hold at the least, on any way to an instruction.
struct Lows {
    static constexpr std::int32_t kNone = std::numeric_limits<std::int32_t>::max();
    /// As low as may be.
    static constexpr std::int32_t kOpen = std::numeric_limits<std::int32_t>::min();
    static constexpr std::size_t kRegisters = 32;

    /// How far what was made from the address lies behind it; kNone: nothing was.
    std::array<std::int32_t, kRegisters> address = filled();
    /// Numbers that may be negative; kNone: no such number.
    std::array<std::int32_t, kRegisters> number = filled();

    /// Which of the function's switches a register holds the table of, or where that leads; kAnySwitch: not known.
    std::array<std::uint16_t, kRegisters> of_switch = any_switch();
    static constexpr std::uint16_t kAnySwitch = std::numeric_limits<std::uint16_t>::max();

    /// What a sum is of.
    static std::uint16_t either(std::uint16_t a, std::uint16_t b) {
        return a == kAnySwitch ? b : b == kAnySwitch || a == b ? a : kAnySwitch;
    }

    /// The lows of two addresses, one of which is taken.
    static std::int32_t one_of(std::int32_t a, std::int32_t b);
    /// A low and a number that is added to it.
    static std::int32_t sum(std::int32_t low, std::int64_t number);
    /// The same where the number is a low itself. What is not known to be negative is taken for positive, and for as
    /// much as an address is moved back.
    static std::int32_t sum_of_lows(std::int32_t low, std::int32_t number, std::int64_t scale);

    void clear(std::size_t reg) {
        address[reg] = number[reg] = kNone;
        of_switch[reg] = kAnySwitch;
    }
    /// A place on the stack, by the register that it counts from and the distance, comes to hold what lies there.
    void store(std::uint8_t base, std::int64_t distance, std::int32_t low);
    std::int32_t load(std::uint8_t base, std::int64_t distance) const;

    /// Takes what others hold, too. True if something changes. `sinks`: what gets lower has no end.
    bool join(const Lows& other, bool sinks);
    std::size_t places() const { return on_stack_.size(); }

  private:
    struct Place {
        std::uint8_t base;
        std::int64_t distance;
        std::int32_t low;
    };
    static std::array<std::int32_t, kRegisters> filled() {
        std::array<std::int32_t, kRegisters> all{};
        all.fill(kNone);
        return all;
    }
    static std::array<std::uint16_t, kRegisters> any_switch() {
        std::array<std::uint16_t, kRegisters> all{};
        all.fill(kAnySwitch);
        return all;
    }
    std::vector<Place>::const_iterator place_at(std::uint8_t base, std::int64_t distance) const;

    std::vector<Place> on_stack_;
};

/// What is found while code is followed.
class BackTrace {
  public:
    /// Memory is accessed so far behind the address, or in front of it.
    void access(std::int32_t low);
    /// An address is made there, which may bound how far code goes.
    void make(std::int32_t low);
    ReachBack result() const;

  private:
    std::int32_t accessed_ = 0;
    std::int32_t made_ = 0;
};

/// What one instruction does to what registers hold.
using BackStep = std::function<void(std::uint32_t, Lows&, BackTrace&)>;

/// Which register a jump by table goes by.
using JumpRegister = std::function<std::size_t(std::uint32_t)>;

/// A switch: indices of instructions.
struct CaseIndices {
    std::vector<std::uint32_t> takers;
    std::vector<std::uint32_t> labels;
};

/// Code that is followed from its first instruction on.
struct BackCode {
    std::size_t count = 0; ///< instructions
    WaysOf ways;
    JumpRegister jump_register;
    std::vector<CaseIndices> cases;
    std::vector<std::uint32_t> takers; ///< indices of the instructions that make the address
};

/// Code in which following takes too long is taken to get anywhere: kMostSteps, kMostPlaces.
ReachBack reach_back(const BackCode& code, const BackStep& step);

/// How far the function gets in front of what `reference`, one of its own, leads to. An index is taken for positive
/// unless it starts as a negative number or is negated. What becomes of an address that is given to other functions is
/// not seen.
ReachBack reach_back(const Program& program, const Function& function, const Reference& reference);

/// Bytes in front of `at`, an address of read-only data, that such code may get to: where steps are not counted, from
/// where the thing in front begins.
std::uint32_t bytes_in_front(const Program& program, const ReachBack& back, Rva at);

} // namespace suture::program
