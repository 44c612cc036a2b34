#include "patchgen/program/gxx_personality.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace suture::program {

namespace {

/// Largest code of such a handler, in bytes; GCC's have 39 at most.
constexpr std::uint32_t kMaxSize = 64;
/// Largest code of what it hands on to, likewise; theirs have some 1,500. Many handlers may lead to one.
constexpr std::uint32_t kMaxSearched = 4096;

/// Codes of GCC's exceptions (libgcc/unwind-seh.c): one that was thrown, and one that is on its way to its handler.
constexpr std::uint32_t kThrown = 0x20474343;
constexpr std::uint32_t kUnwinding = 0x21474343;
/// "GNUCC++", the class of exceptions of C++ (libsupc++/unwind-cxx.h), and what subtracts it.
constexpr std::uint64_t kClass = 0x474e5543432b2b00;
constexpr std::uint64_t kMinusClass = ~kClass + 1;

/// True if the function's code holds the bytes of a constant.
template <class T>
bool holds(const Program& program, const Function& function, T constant) {
    const auto code = function.range.size <= kMaxSearched
                          ? program.image().bytes_at(function.range.begin, function.range.size)
                          : std::nullopt;
    const auto bytes = std::bit_cast<std::array<std::uint8_t, sizeof(T)>>(constant);
    return code && !std::ranges::search(*code, bytes).empty();
}

} // namespace

bool is_gxx_personality(const Program& program, const Function& handler) {
    if (!handler.decoded || handler.range.size > kMaxSize)
        return false;
    const Function* called = nullptr;
    const Function* handed = nullptr;
    for (const Reference& reference : handler.references) {
        const Function*& to = is_branch(reference.kind) ? called : handed;
        const Function* function = program.function_at(reference.target);
        if (to || !function || function->range.begin != reference.target)
            return false;
        to = function;
    }
    return called && handed && holds(program, *called, kThrown) && holds(program, *called, kUnwinding) &&
           (holds(program, *handed, kClass) || holds(program, *handed, kMinusClass));
}

} // namespace suture::program
