#include "engine/isa/arm64/arm64_isa.hpp"

#include "engine/isa/arm64/branches.hpp"
#include "engine/isa/arm64/continuation.hpp"
#include "engine/isa/arm64/sites.hpp"

namespace suture::isa::arm64 {

std::uint64_t Arm64Isa::reach() const {
    // As for x64: 64 KiB of margin cover what lies between an address and the part of a stub, a cell or a continuation
    // that is meant.
    return 0x800'0000 - 0x1'0000;
}

Result<Site> Arm64Isa::choose_site(const SiteQuestion& question) const {
    return arm64::choose_site(question);
}

Result<void> Arm64Isa::prove_site(const Site& site, ByteView entry_bytes, ByteView) const {
    return arm64::prove_site(site, entry_bytes);
}

Result<std::vector<CodeWrite>> Arm64Isa::encode_site(const Site& site, Va module_base, Va stub, Va /*cell*/) const {
    return arm64::encode_site(site, module_base, stub);
}

Result<Bytes> Arm64Isa::encode_stub(Va stub, Va cell) const {
    return arm64::stub(stub, cell);
}

Result<Bytes> Arm64Isa::encode_continuation(ByteView displaced, Va entry, Va at) const {
    return arm64::continuation(displaced, entry, at);
}

bool Arm64Isa::is_no_op(ByteView displaced) const {
    return displaced.size() == kInstructionSize && displaced.read<std::uint32_t>(0) == kNop;
}

Bytes Arm64Isa::encode_veneer(Va at, Va destination) const {
    return veneer(at, destination);
}

std::uint32_t Arm64Isa::veneer_size() const {
    return kFarBranchSize;
}

std::optional<Isa::Jump> Arm64Isa::jump_at(ByteView code, Va at) const {
    return arm64::jump_at(code, at);
}

bool Arm64Isa::is_fill(ByteView bytes) const {
    if (bytes.empty() || bytes.size() % kInstructionSize != 0)
        return false;
    for (std::size_t at = 0; at < bytes.size(); at += kInstructionSize) {
        const auto word = bytes.read<std::uint32_t>(at);
        if (word != 0u && word != kNop)
            return false;
    }
    return true;
}

std::optional<std::uint32_t> Arm64Isa::instruction_length(ByteView code) const {
    const auto word = code.read<std::uint32_t>(0);
    return word && *word >> 16 != 0 ? std::optional(kInstructionSize) : std::nullopt; // else udf
}

} // namespace suture::isa::arm64
