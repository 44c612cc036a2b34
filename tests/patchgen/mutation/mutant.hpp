#pragma once

#include "engine/core/address.hpp"
#include "engine/core/byte_view.hpp"

#include <array>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace suture::test {

/// The one thing that is changed in a copy of an image.
enum class Kind : std::uint8_t {
    opcode,             ///< another operation with the same length and the same operands
    immediate,          ///< one bit of a number in an instruction
    displacement,       ///< one bit of a memory operand's offset from a register
    register_operand,   ///< another register
    condition,          ///< the opposite condition
    branch_target,      ///< a jump within the function to another of its instructions
    call_target,        ///< a call or a jump to another function's entry
    data_reference,     ///< a reference to other data
    string_reference,   ///< a reference to another string of equal length
    constant_byte,      ///< a bit of read-only data that is read with a known size
    string_byte,        ///< a character of a string whose address code takes
    jump_table_entry,   ///< another case's target
    data_pointer,       ///< a relocated pointer in data, to what another one points to
    import_name,        ///< a character of an imported function's name
    initial_value,      ///< a bit of a global variable's initial value
    unwind_code,        ///< a byte of the operations of UNWIND_INFO or .xdata
    unwind_reference,   ///< another function's unwind data
    handler_data,       ///< a byte of a language-specific handler's data
    export_target,      ///< an export that leads to another one's target
    thread_local_value, ///< a bit of the thread-local template
    resource_byte,      ///< a bit of a resource's content
    code_byte,          ///< a bit of any byte of a function
    data_byte,          ///< a bit of any initialised byte of a data section that is not linker's data
    unreached_code,     ///< a byte of an executable section that is in no known function and is no fill
};
constexpr std::size_t kKinds = static_cast<std::size_t>(Kind::unreached_code) + 1;

std::string_view name_of(Kind kind);

/// A change, and what it is known to concern without asking patchgen.
struct Mutant {
    Kind kind = Kind::opcode;
    Rva at;      ///< of the first changed byte
    Bytes bytes; ///< that come to lie there
    /// The change lies in code, or in what says how a function is unwound: exactly the function that holds each of
    /// these must be reported. For data: functions that are known to use it, all of which must be; others may.
    std::vector<Rva> users;
    bool of_code = false;
    bool any_user = false;     ///< one of the users is enough: they are what it led to, and what it leads to
    std::optional<Rva> slot{}; ///< an import's, where the change is in its name: what code gets to

    /// Where those who use what changed get to.
    Rva place() const { return slot.value_or(at); }
};

/// Same seed, same mutants, whatever the standard library.
class Random {
  public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}
    std::size_t below(std::size_t count) { return static_cast<std::size_t>(engine_() % count); }
    template <class T>
    const T& one_of(const std::vector<T>& list) {
        return list[below(list.size())];
    }

  private:
    std::mt19937_64 engine_;
};

} // namespace suture::test
