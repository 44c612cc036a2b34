#pragma once

#include "engine/package/reader.hpp"
#include "patchgen/program/program.hpp"

namespace suture::prove {

/// What a proof has looked at.
struct Proof {
    std::size_t replaced = 0;     ///< functions of the baseline that the package redirects
    std::size_t emitted = 0;      ///< functions of the package that were compared with the updated image's
    std::size_t unchanged = 0;    ///< functions of the baseline that were compared with the updated image's
    std::size_t references = 0;   ///< references whose meaning was compared
    std::uint64_t data_bytes = 0; ///< bytes of data that were compared
    std::size_t allowed = 0;      ///< variables whose initial value was not compared, since it may differ
};

/// Proves that the baseline with the package laid over it does what the updated image does. Starts where both images
/// are entered (entry point, exports, TLS callbacks) and at the replaced functions, decodes the code on either side
/// instruction by instruction, and follows every reference: what one side refers to must mean what the other side
/// refers to, be it code, data, an import or the header. The package is placed as the loader does it, at two pairs of
/// bases. Independent of how the package was made: nothing that diff or emit found out is used. Errors: those of
/// package::Package::parse; proof_failed, with function and RVA of the updated image, or of the baseline where a
/// redirect site is at fault; data_not_changed: a name among `data_changes` is that of no variable, or of several.
/// `data_changes`: variables whose initial value may differ, as for diff::Allowances. What and where they are is proved
/// all the same.
/// `matches`: what match::match() says of the two, as pairs of entries, ascending, where that is known already.
Result<Proof> prove(const program::Program& baseline, const program::Program& updated, ByteView package,
                    std::span<const std::string> data_changes = {},
                    std::optional<std::span<const std::pair<Rva, Rva>>> matches = std::nullopt);

} // namespace suture::prove
