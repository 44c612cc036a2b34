#include "patchgen/program/pdb_symbols.hpp"

#include <cstring>

namespace suture::program {

bool is_pdb(ByteView bytes) {
    static constexpr char kMagic[] = "Microsoft C/C++ MSF 7.00\r\n\x1a\x44S\0\0";
    return bytes.size() >= sizeof kMagic && std::memcmp(bytes.data(), kMagic, sizeof kMagic) == 0;
}

} // namespace suture::program
