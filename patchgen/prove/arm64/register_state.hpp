#pragma once

#include "patchgen/prove/arm64/instruction.hpp"
#include "patchgen/prove/place.hpp"

namespace suture::prove::arm64 {

/// What the guard's check keeps beside what every function does: x0 to x8, and the target in x15 (LLVM's calling
/// convention CFGuard_Check).
inline constexpr Registers kKeptByGuard = 0x81ff;

/// What is known of a register, other than that it holds the same on both sides.
struct Value {
    enum class Kind : std::uint8_t {
        page,      ///< page addresses: `updated`, and `place` if that does not depend on the bases
        clobbered, ///< held such pages, or different values, before a call; now it is garbage, or it holds them still
        different, ///< nothing is known
        left,      ///< what the caller has left there: no argument, see Lockstep
        label,     ///< holds the same: `updated`, from which a table of the function counts, and perhaps an offset
        imported,  ///< holds the same: the address of an import, which is no place in the function
        guard,     ///< holds the same: the address of the guard's check, which keeps kKeptByGuard
    };
    Kind kind = Kind::different;
    Rva updated;
    std::optional<Place> place;

    bool is_same() const { return kind == Kind::label || kind == Kind::imported || kind == Kind::guard; }
    bool operator==(const Value&) const = default;
};

/// The registers at a point of the code. Those without an entry, and labels, hold the same on both sides: equal
/// numbers, or addresses that mean the same.
class RegisterState {
  public:
    RegisterState() = default;
    /// `different`: these hold different values.
    explicit RegisterState(Registers different, Value::Kind kind = Value::Kind::different);

    const Value* find(std::uint32_t number) const;
    void set(std::uint32_t number, Value value);
    void forget(Registers numbers); ///< they hold the same from here on
    void call(Registers kept = 0);  ///< what a call leaves; `kept`: beside what every function keeps
    Registers not_same() const;
    /// Weakens this to what holds if control comes with `other` as well. True if that changes it.
    bool join(const RegisterState& other);

  private:
    std::vector<std::pair<std::uint32_t, Value>> values_; ///< ascending
};

} // namespace suture::prove::arm64
