#pragma once

#include "patchgen/diff/contents.hpp"

namespace suture::diff {

/// How a function of the updated image differs from one of the baseline, as far as the two alone can tell, and what
/// else it stands on.
struct FunctionDiff {
    std::string why;                      ///< for people; empty: equal
    std::vector<Contents::Node> contents; ///< read-only data that must be the same
    std::vector<Edge> inner;              ///< functions into whose middle it leads, which must be equal

    bool equal() const { return why.empty(); }
};

/// Compares code, what each reference leads to, jump tables and unwind data. Where a function leads to another one's
/// entry, only identity counts: a changed callee is redirected there.
FunctionDiff compare_functions(const Pairing& pairing, Contents& contents, std::uint32_t baseline,
                               std::uint32_t updated);

/// The same but for data: if that is equal which the questions ask for, so are the functions. Nothing where they differ
/// whatever data holds. It depends on nothing else that is compared: pairs may be looked at side by side.
std::optional<Contents::Dependence> compare_but_for_data(const Pairing& pairing, const Contents& contents,
                                                         std::uint32_t baseline, std::uint32_t updated);

/// What lies at an address, for people: "string \"abc\"", "f+0x12", "KERNEL32.dll!Sleep".
std::string describe(const match::Places& places, Rva at);

} // namespace suture::diff
