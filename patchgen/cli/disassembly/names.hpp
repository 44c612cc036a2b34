#pragma once

#include "patchgen/diff/change_set.hpp"

#include <unordered_map>

namespace suture::cli {

/// Which address of the baseline is which of the updated image, as far as the comparison tells: its pairs of functions,
/// what pairs that are equal refer to, and what the emitted functions do. For showing alone.
class Counterparts {
  public:
    /// Of which functions names are asked for.
    enum class Scope : std::uint8_t { all, changes };

    Counterparts(const program::Program& baseline, const program::Program& updated, const diff::ChangeSet& changes,
                 Scope scope = Scope::all);

    std::optional<Rva> of_function(Rva updated_entry) const;
    std::optional<Rva> of_data(Rva updated) const;
    /// True if the package brings this data: it is new, or not what the baseline has.
    bool is_emitted(Rva updated) const { return emitted_.contains(updated); }

  private:
    std::unordered_map<Rva, Rva> functions_;
    std::unordered_map<Rva, Rva> data_;
    std::unordered_map<Rva, bool> emitted_;
};

/// Names of what lies at addresses of one program.
class Names {
  public:
    /// `counterparts` is set for the updated program, whose addresses are then told in the baseline's terms by key().
    Names(const program::Program& program, const Counterparts* counterparts)
        : program_(program), counterparts_(counterparts) {}

    const program::Program& program() const { return program_; }
    /// "price", "price+0x12", "KERNEL32.dll!Sleep", "\"a string\"", "data_3010", "+0x3010". `read_size`: bytes that are
    /// read there, 0 where the address is taken.
    std::string of(Rva rva, std::uint32_t read_size = 0) const;
    /// The string that lies there, in quotes and perhaps cut off; nothing where there is none.
    std::optional<std::string> string_at(Rva rva) const;
    /// What says more than of(): the string that has a name, or the constant that has none.
    std::string note(Rva rva, std::uint32_t read_size) const;
    /// The same text in both programs for what is the same in both.
    std::string key(Rva rva, std::uint32_t read_size) const;

  private:
    std::optional<std::string> constant_at(Rva rva, std::uint32_t size) const;
    bool is_constant(Rva rva) const;

    const program::Program& program_;
    const Counterparts* counterparts_;
};

/// "KERNEL32.dll!Sleep", "WS2_32.dll!#23"
std::string name_of(const pe::ImportSlot& slot);

} // namespace suture::cli
