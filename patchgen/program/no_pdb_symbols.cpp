#include "patchgen/program/pdb_symbols.hpp"

namespace suture::program {

Result<Symbols> read_pdb_symbols(ByteView, const pe::Image&, const pe::DebugInfo&) {
    return fail(Code::symbols_unsupported, "Suture was built without LLVM, which reads PDB files");
}

} // namespace suture::program
