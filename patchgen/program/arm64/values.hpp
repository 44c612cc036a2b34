#pragma once

#include "patchgen/program/arm64/instruction.hpp"
#include "patchgen/program/program.hpp"

#include <array>
#include <optional>
#include <unordered_map>

namespace suture::program::arm64 {

/// What is known of the content of a register.
struct Value {
    enum class Kind : std::uint8_t {
        other,        ///< nothing
        page,         ///< what one of a set of ADRPs has given: `what` names the set
        perhaps_page, ///< left of a page address where a call or an unknown way may have kept it
        mixed,        ///< a page address on some path
        address,      ///< RVA `what`
        pointer,      ///< 8 bytes from memory: from RVA `what`, where that is known and not 0
        entry,        ///< an entry of a table, loaded by the word `what`
        destination,  ///< the sum of an entry and a base, made by the word `what`
        computed,     ///< the result of arithmetic that is not understood
    };
    Kind kind = Kind::other;
    bool is_signed = false; ///< of an entry, as it stands
    bool extended = false;  ///< of an entry: all 64 bits hold it
    std::uint32_t what = 0;

    bool operator==(const Value&) const = default;
    bool holds_page() const { return kind == Kind::page || kind == Kind::perhaps_page || kind == Kind::mixed; }
};

/// ADRPs that give the same page, by the words they are at.
struct PageSet {
    Rva page;
    std::vector<std::uint32_t> words; ///< ascending
};

/// The sets of ADRPs that registers hold in a function. A set has one number.
class PageSets {
  public:
    void clear();
    const PageSet& operator[](std::uint32_t number) const { return sets_[number]; }
    std::uint32_t of(std::uint32_t word, Rva page);
    /// The union of two sets of the same page; nothing if there are more sets than any compiler's code makes.
    std::optional<std::uint32_t> joined(std::uint32_t a, std::uint32_t b);

  private:
    std::vector<PageSet> sets_;
    std::vector<std::uint32_t> joined_; ///< numbers of those with several ADRPs
    std::unordered_map<std::uint32_t, std::uint32_t> single_;
    std::unordered_map<std::uint64_t, std::uint32_t> pairs_;
};

/// The contents of all registers.
struct State {
    std::array<Value, 32> values{};
    std::uint32_t known = 0; ///< bit per register that is not `other`
    std::uint32_t pages = 0; ///< bit per register whose value holds_page()

    const Value& operator[](std::uint8_t reg) const { return values[reg]; }
    void set(std::uint8_t reg, Value value) {
        if (reg == kNone)
            return;
        const std::uint32_t bit = 1u << reg;
        values[reg] = value;
        known = value.kind == Value::Kind::other ? known & ~bit : known | bit;
        pages = value.holds_page() ? pages | bit : pages & ~bit;
    }
};

/// What a register holds where two ways meet.
Value merge(const Value& a, const Value& b, PageSets& sets);
/// Merges into `to`, and says whether it changed.
bool merge_into(State& to, const State& from, PageSets& sets);

} // namespace suture::program::arm64
