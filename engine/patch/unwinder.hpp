#pragma once

#include "engine/core/address.hpp"
#include "engine/core/byte_view.hpp"
#include "engine/patch/code_map.hpp"
#include "engine/target/target.hpp"

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace suture::patch {

/// The part of a stack that is in use, as copied from a stopped thread.
struct StackView {
    Va begin;       ///< 8-byte aligned
    ByteView bytes; ///< from `begin` to the stack's end, or to where copying stopped

    Va end() const { return begin + bytes.size(); }
    /// The 8 bytes at `at`, or nothing if they are not all inside.
    std::optional<std::uint64_t> word(Va at) const {
        return at < begin ? std::nullopt : bytes.read<std::uint64_t>(at - begin);
    }
};

/// How a frame came to be where it is.
enum class Arrival : std::uint8_t {
    executing,   ///< the thread's own instruction pointer
    returning,   ///< a call's return address
    interrupted, ///< where an exception, an APC or a callback took the thread away
    bottom,      ///< no frame: the one before was the thread's outermost
};

/// One thread's registers, taken back call by call. One implementation per machine.
class Unwinder {
  public:
    virtual ~Unwinder() = default;
    virtual Va ip() const = 0;
    virtual Va sp() const = 0;
    /// Goes from the frame of the present ip(), reached as `arrival` says, to its caller. What it finds is checked: the
    /// stack pointer rises and stays in `stack`, a return address follows a call. Fails, in words and with registers
    /// as before, on anything unexpected.
    virtual std::expected<Arrival, std::string> step(CodeMap& map, const StackView& stack, Arrival arrival) = 0;
    /// Where the thread may return to by what lies in no stack, wherever its walk ends: registers, as they were at
    /// first.
    virtual std::vector<Va> loose() const { return {}; }
};

/// The bits of a word in a stack that make a return address; Arm64 may keep a signature above them.
constexpr std::uint64_t address_bits(Machine machine) {
    return machine == Machine::arm64 ? (std::uint64_t{1} << 48) - 1 : ~std::uint64_t{0};
}

/// For the machine of the process; nullptr where there is none.
std::unique_ptr<Unwinder> make_unwinder(Machine machine, const target::ThreadState& thread);

} // namespace suture::patch
