#pragma once

#include "engine/isa/isa.hpp"

namespace suture::isa::x64 {

/// See Isa::choose_site(), prove_site() and encode_site().
Result<Site> choose_site(const SiteQuestion& question);
Result<void> prove_site(const Site& site, ByteView entry_bytes, ByteView pad_bytes);
Result<std::vector<CodeWrite>> encode_site(const Site& site, Va module_base, Va stub, Va cell);

} // namespace suture::isa::x64
