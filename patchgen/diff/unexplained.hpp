#pragma once

#include "patchgen/diff/pairing.hpp"

namespace suture::diff {

/// Data that differs though no function does: that of tables of which code knows another address than their first.
/// `read_only`: the first such place of the updated image that nothing refers to, and that belongs to nothing that is
/// referred to, where what lies there is nowhere in the baseline; nothing where the updated image has only more of it,
/// or only less. `grown`: the last variable of a section, where all lie as in the baseline and the section does not end
/// where it did.
struct Unexplained {
    std::optional<Rva> read_only;
    std::optional<Rva> grown;
};

Unexplained unexplained_data(const Pairing& pairing);

} // namespace suture::diff
