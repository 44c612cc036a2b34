#pragma once

#include "engine/package/reader.hpp"
#include "patchgen/cli/disassembly/disassemble.hpp"

namespace suture::cli {

/// Code of a package, or original code of its baseline, with what it refers to named.
class Disassembler {
  public:
    /// `package` must outlive it.
    explicit Disassembler(const package::Package& package);

    /// Instructions of the package in [begin, begin + size), fixups applied.
    std::vector<Line> package_code(RvaRange range) const;
    /// Instructions of the baseline that lie at `at`.
    std::vector<Line> baseline_code(ByteView bytes, Rva at) const;
    /// What lies at an address of the package or of the baseline: "price", "price+0x12", "tally.exe+0x1234".
    /// As it can be shown, see plain_cut().
    std::string package_name(Rva rva) const;
    std::string baseline_name(Rva rva) const;
    /// What a fixup refers to, likewise.
    std::string target_name(const package::Fixup& fixup) const;

  private:
    std::vector<Line> lines_of(ByteView bytes, Rva at, std::uint64_t base) const;

    const package::Package& package_;
    std::vector<const package::Replacement*> replacements_; ///< ascending by place in the package
    std::vector<const pe::ImportSlot*> imports_;            ///< ascending by slot
};

} // namespace suture::cli
