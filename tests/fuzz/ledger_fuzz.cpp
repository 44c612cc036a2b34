// The ledger lies in the target, which may write what it likes: no bytes may end in a crash, and what is accepted must
// come out of serialize() as it went in, to the byte.
#include "engine/patch/ledger.hpp"
#include "engine/patch/plan.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace suture;
    Bytes bytes(data, data + size);
    // The digest at the end and the check of the state are put right, as a target that means harm would.
    constexpr std::size_t kDigest = sizeof(Digest::bytes);
    if (size >= patch::kLedgerState + kDigest) {
        const Digest digest =
            digest_of(*ByteView(bytes).slice(patch::kLedgerState, size - patch::kLedgerState - kDigest));
        std::copy(digest.bytes.begin(), digest.bytes.end(), bytes.end() - kDigest);
        const auto state = *ByteView(bytes).read<std::uint64_t>(0);
        const std::uint64_t checked =
            patch::ledger_state(static_cast<std::uint32_t>(state),
                                static_cast<patch::Phase>(static_cast<std::uint8_t>(state >> 32)), digest);
        std::memcpy(bytes.data(), &checked, sizeof checked);
    }
    const auto ledger = patch::parse_ledger(bytes);
    if (!ledger)
        return 0;
    const Bytes written = patch::serialize(*ledger);
    const auto again = patch::parse_ledger(written);
    if (!again || !(*again == *ledger) || written.size() > size ||
        !std::equal(written.begin(), written.end(), bytes.begin()))
        std::abort();
    (void)patch::committed_bytes(*ledger);
    if (!isa::isa_for(ledger->machine))
        return 0; // refused by all that goes on from here
    (void)patch::stub_bytes(*ledger);
    (void)patch::continuation_bytes(*ledger);
    for (std::size_t i = 0; i < ledger->functions.size(); ++i)
        (void)patch::site_writes(*ledger, i);
    return 0;
}
