#pragma once

#include "engine/isa/isa.hpp"

namespace suture::isa::x64 {

/// x64 behind the interface; the parts are in the files beside this one.
class X64Isa final : public Isa {
  public:
    Machine machine() const override { return Machine::x64; }
    std::uint64_t reach() const override;
    Result<Site> choose_site(const SiteQuestion& question) const override;
    Result<void> prove_site(const Site& site, ByteView entry_bytes, ByteView pad_bytes) const override;
    Result<std::vector<CodeWrite>> encode_site(const Site& site, Va module_base, Va stub, Va cell) const override;
    Result<Bytes> encode_stub(Va stub, Va cell) const override;
    Result<Bytes> encode_continuation(ByteView displaced, Va entry, Va at) const override;
    bool is_no_op(ByteView displaced) const override;
    Bytes encode_veneer(Va at, Va destination) const override;
    std::uint32_t veneer_size() const override;
    std::optional<Jump> jump_at(ByteView code, Va at) const override;
    bool is_fill(ByteView bytes) const override;
    std::optional<std::uint32_t> instruction_length(ByteView code) const override;
};

} // namespace suture::isa::x64
