#pragma once

#include "patchgen/program/program.hpp"
#include "tests/patchgen/mutation/raw_image.hpp"

#include <map>
#include <set>

namespace suture::test {

/// What leads to a byte of data, followed backwards through pointers, without patchgen. Where data ends is not known:
/// a byte is taken to belong to the nearest address below it that something leads to.
struct Uses {
    /// Instructions that access the byte or take the nearest address below it.
    std::set<Rva> direct;
    /// These, and those that get to it by way of pointers or tables of RVAs; entries of functions whose exception data
    /// does.
    std::set<Rva> all;
    /// What lies on the way: from the address that something leads to, up to the byte or pointer that was come from.
    std::vector<RvaRange> data;
    bool exported = false; ///< something on the way, by itself
};

class Leads {
  public:
    /// What begins before a variable that symbols of `named` name ends there.
    Leads(const RawImage& image, const program::Program& named);

    Uses of(Rva at) const;
    /// True for padding: behind a variable that symbols name and tell the extent of, behind the last one of an object
    /// file, or zeros of less than 16 bytes behind a record that has its size by its form.
    bool is_padding(Rva at) const;

  private:
    enum class By : std::uint8_t {
        access,    ///< by an instruction that reads or writes so many bytes
        address,   ///< by an instruction that takes the address
        number,    ///< by a displacement from a register that may be an RVA
        pointer,   ///< by a relocated field
        word,      ///< by a word of read-only data that may be an RVA
        exception, ///< by an entry of the exception directory; `from` is the entry of the function
        exported,
    };
    struct Lead {
        Rva to;
        Rva from;
        By by = By::access;
        std::uint32_t size = 0; ///< of an access, a jump table or exception data; 0: not known
        bool text = false; ///< to a string that ends before the byte, which may be a member of something that does not
        auto operator<=>(const Lead&) const = default;
    };
    static bool is_sure(const Lead& lead) { return lead.by != By::number && lead.by != By::word; }
    /// True if what `lead` leads to is known to end at or before `at`.
    bool ends_before(const Lead& lead, Rva at) const;
    /// The leads to whatever the byte belongs to.
    std::vector<Lead> to(Rva at) const;

    const RawImage& image_;
    std::vector<Rva> named_; ///< where variables begin that symbols name, ascending
    struct Extent {
        RvaRange range;
        bool by_symbols = false;
    };
    std::vector<Extent> extents_; ///< of variables whose ends are known, ascending
    std::vector<Lead> leads_;     ///< ascending
};

} // namespace suture::test
