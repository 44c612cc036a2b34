#include "engine/isa/x64/x64_isa.hpp"

#include "engine/isa/x64/branches.hpp"
#include "engine/isa/x64/continuation.hpp"
#include "engine/isa/x64/decode.hpp"
#include "engine/isa/x64/fill.hpp"
#include "engine/isa/x64/sites.hpp"

namespace suture::isa::x64 {

std::uint64_t X64Isa::reach() const {
    // A rel32 counts from behind its instruction and may point anywhere into a stub, a cell or a continuation: 64 KiB
    // of margin covers both ends.
    return 0x8000'0000 - 0x1'0000;
}

Result<Site> X64Isa::choose_site(const SiteQuestion& question) const {
    return x64::choose_site(question);
}

Result<void> X64Isa::prove_site(const Site& site, ByteView entry_bytes, ByteView pad_bytes) const {
    return x64::prove_site(site, entry_bytes, pad_bytes);
}

Result<std::vector<CodeWrite>> X64Isa::encode_site(const Site& site, Va module_base, Va stub, Va cell) const {
    return x64::encode_site(site, module_base, stub, cell);
}

Result<Bytes> X64Isa::encode_stub(Va stub, Va cell) const {
    return x64::stub(stub, cell);
}

Result<Bytes> X64Isa::encode_continuation(ByteView displaced, Va entry, Va at) const {
    return x64::continuation(displaced, entry, at);
}

bool X64Isa::is_no_op(ByteView displaced) const {
    return is_nops(displaced);
}

Bytes X64Isa::encode_veneer(Va, Va destination) const {
    return far_jump(destination);
}

std::uint32_t X64Isa::veneer_size() const {
    return kFarJumpSize;
}

std::optional<Isa::Jump> X64Isa::jump_at(ByteView code, Va at) const {
    return x64::jump_at(code, at);
}

bool X64Isa::is_fill(ByteView bytes) const {
    return x64::is_fill(bytes);
}

std::optional<std::uint32_t> X64Isa::instruction_length(ByteView code) const {
    const auto instruction = decode(code);
    return instruction ? std::optional<std::uint32_t>(instruction->length) : std::nullopt;
}

} // namespace suture::isa::x64
