#pragma once

#include "engine/core/address.hpp"
#include "engine/core/byte_view.hpp"
#include "engine/core/machine.hpp"
#include "engine/core/result.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace suture::isa {

/// How a baseline function is redirected. Values are those of the package format.
enum class SiteKind : std::uint8_t {
    x64_padded = 1,
    x64_cave = 2,
    x64_prologue = 3,
    x64_tail = 4,
    arm64_branch = 5,
};

/// "x64-padded", … : the spelling used in output and JSON.
std::string_view name_of(SiteKind kind);
std::optional<SiteKind> site_kind_from(std::uint8_t value);

/// A redirect site: which bytes of the baseline are replaced.
struct Site {
    SiteKind kind = SiteKind::x64_padded;
    Rva entry; ///< the function's first byte
    /// Bytes written at the entry: 2 (padded, cave), 5 or 6 (prologue, tail), 4 (arm64).
    std::uint32_t entry_size = 0;
    Rva pad;                     ///< padded and cave only: where the long branch goes
    std::uint32_t displaced = 0; ///< bytes of whole instructions at the entry that the continuation must run
    std::uint32_t pad_size = 5;  ///< padded and cave only: bytes of the pad, 5 or 6

    auto operator<=>(const Site&) const = default;
    /// Bytes at the entry that are kept to restore the site and to make its continuation.
    std::uint32_t original_size() const { return displaced > entry_size ? displaced : entry_size; }
    RvaRange pad_range() const { return {pad, pad_size}; }
    bool uses_pad() const { return kind == SiteKind::x64_padded || kind == SiteKind::x64_cave; }
    /// Bytes of the long branch, in the pad or at the entry. On x64 5 hold a branch to the stub, 6 a jump through the
    /// cell, which is a branch less.
    std::uint32_t branch_size() const { return uses_pad() ? pad_size : entry_size; }
};

/// Bytes to put at an address. In a list they are to be written in order.
struct CodeWrite {
    Rva at;
    Bytes bytes;
};

/// What is known of a function and its neighbourhood when a site is chosen or proved.
struct SiteQuestion {
    Rva entry;
    std::uint32_t size = 0; ///< bytes of the function from its entry
    ByteView code;          ///< bytes from the entry to the end of `size`
    /// Fill before the entry that belongs to nobody else, ending at the entry; may be empty.
    ByteView pad_before;
    /// Fill after the function's last byte that belongs to nobody else; may be empty.
    ByteView pad_after;
    /// Offsets in (0, size) that something branches to or refers to, ascending.
    std::span<const std::uint32_t> inner_targets;
    /// Other unused pads (fill between functions) with their whole bytes, ascending, for x64-cave. Each byte of
    /// them serves once: the caller takes site.pad_range() out of the list before it asks for the next function, and
    /// offers no bytes that it wants to keep as another function's pad_before or pad_after.
    struct Pad {
        Rva at;
        ByteView bytes;
    };
    std::span<const Pad> caves;
};

/// An instruction set, as far as redirecting functions needs it. Every encoder takes the address its code will run
/// at; nothing depends on the host. Stateless; obtained from isa_for().
class Isa {
  public:
    virtual ~Isa() = default;

    virtual Machine machine() const = 0;
    /// Bytes between stubs of a page: 8 on both machines (DESIGN: 512 stubs to a page).
    static constexpr std::uint32_t kStubSize = 8;
    /// Bytes set aside for one continuation.
    static constexpr std::uint32_t kContinuationSize = 64;
    /// How far a stub may lie from any byte of the module, and a patch image from the module, in bytes.
    virtual std::uint64_t reach() const = 0;

    /// Bytes of the branch that a pad or an x64 entry holds.
    static constexpr std::uint32_t kBranchSize = 5;
    /// Bytes of the jump through its cell that they hold where they have room for that.
    static constexpr std::uint32_t kWideBranchSize = 6;
    /// Bytes that prove_site() wants to see before those of a pad: a long NOP of fill may start that far ahead.
    static constexpr std::uint32_t kPadContext = 10;
    /// Bytes that prove_site() wants to see from the entry on: 6 that change, and the longest instruction at their end.
    static constexpr std::uint32_t kEntryContext = 20;

    /// The best site for a function, or why there is none (site_none, with the particulars). In order of preference:
    /// a prologue whose first instruction has room for a branch, padded, cave (the nearest window; of two equally near
    /// the lower), prologue, tail. Pads have kBranchSize bytes, and tails reach no further: who hands fill out knows
    /// whether one more is left. On Arm64 there is one kind.
    virtual Result<Site> choose_site(const SiteQuestion& question) const = 0;
    /// Proves from the bytes found that the site is what it claims to be: whole instructions, fill in the pad, a
    /// relocatable displaced part. `entry_bytes`: kEntryContext bytes from the entry on (fewer where the section ends;
    /// never fewer than max(entry_size, displaced)). `pad_bytes`: where the kind has a pad, the bytes that end with the
    /// pad's own, from pad - kPadContext on; else ignored. Sites that are already written, this one and its
    /// neighbours, are to be given with their original bytes. Error: site_unproved.
    virtual Result<void> prove_site(const Site& site, ByteView entry_bytes, ByteView pad_bytes) const = 0;
    /// The writes that turn the site into a branch to `stub`, or into a jump through `cell`, in the order in which they
    /// must be made (pad before entry). Error: branch_out_of_reach.
    virtual Result<std::vector<CodeWrite>> encode_site(const Site& site, Va module_base, Va stub, Va cell) const = 0;
    /// The stub at `stub`, kStubSize bytes, jumping through the 8-byte cell at `cell`. Error: branch_out_of_reach.
    virtual Result<Bytes> encode_stub(Va stub, Va cell) const = 0;
    /// The displaced instructions `displaced` (from address `entry`) relocated to run at `at`, and a branch back to
    /// the instruction behind them; at most kContinuationSize bytes. No branch back follows a displaced part whose last
    /// instruction never falls through (jump, return, ud2, fast-fail), which is what x64-tail requires, nor a call,
    /// whose callee returns to the baseline itself: a displaced call pushes the address behind the original call, so
    /// that no frame ever shows an address in a continuation. Where is_no_op(displaced) the caller uses entry +
    /// displaced itself as the continuation. Errors: site_unproved (an instruction that cannot be moved),
    /// branch_out_of_reach.
    virtual Result<Bytes> encode_continuation(ByteView displaced, Va entry, Va at) const = 0;
    /// True if the displaced bytes do nothing, so that the code behind them is the continuation.
    virtual bool is_no_op(ByteView displaced) const = 0;
    /// A direct jump at `at` to anywhere (a veneer: may use a literal behind it), at most veneer_size() bytes. On Arm64
    /// it changes x16 where `destination` is further than a branch reaches.
    virtual Bytes encode_veneer(Va at, Va destination) const = 0;
    virtual std::uint32_t veneer_size() const = 0;
    /// If `code` (at address `at`) starts with a jump that is not conditional: where it leads; for an indirect one
    /// through memory, `indirect` is set and `to` is the address of the pointer.
    struct Jump {
        Va to;
        bool indirect = false;
    };
    virtual std::optional<Jump> jump_at(ByteView code, Va at) const = 0;

    /// True if `bytes` (at least one) can be nothing but fill between functions. x64: all CC, or whole canonical NOPs
    /// (90, 66 90, 0f 1f with a displacement of 0, each with 66 and 2e prefixes). Zeros are not fill: no linker fills
    /// gaps in code with them, but tables in code hold them. Arm64: whole words of NOP or zero, which Microsoft's
    /// linker and lld fill with there; a table of zeros looks the same.
    virtual bool is_fill(ByteView bytes) const = 0;
    /// Bytes of the instruction that `code` starts with, or nothing if there is none (undefined, or cut off). Applied
    /// again and again it gives the addresses at which a thread can stand within displaced bytes.
    virtual std::optional<std::uint32_t> instruction_length(ByteView code) const = 0;

    /// True if what changes is fill and one instruction, so that no thread can have its instruction pointer strictly
    /// inside it. `entry_bytes`: original ones, site.original_size() of them.
    bool needs_no_stop(const Site& site, ByteView entry_bytes) const;
};

/// The one place where a machine picks its instruction set. nullptr for a machine that is not supported.
const Isa* isa_for(Machine machine);

} // namespace suture::isa
