#include "loader/linux/stub.hpp"

#include "loader/linux/arch.hpp"
#include "loader/linux/sealed_pages.hpp"

#include <algorithm>
#include <array>
#include <random>

namespace suture::loader {

namespace {

/// Page numbers have 35 bits: 19 that are chosen, 16 that follow from them.
constexpr unsigned kCheckBits = 16;
/// Far from where programs, libraries, stacks and Wine's images are: 16 TiB to 80 TiB.
constexpr std::uint32_t kFirstChoice = std::uint32_t{1} << 16;
constexpr std::uint32_t kLastChoice = std::uint32_t{5} << 16;

Va page_of(std::uint32_t choice) {
    const std::uint64_t check = (choice * 0x9e3779b1u) >> 16; // the upper half mixes all bits (Fibonacci hashing)
    return Va{(std::uint64_t{choice} << kCheckBits | check) * kStubSize};
}

bool is_stub_address(Va at) {
    const std::uint64_t choice = at.value / kStubSize >> kCheckBits;
    return choice >= kFirstChoice && choice < kLastChoice && page_of(static_cast<std::uint32_t>(choice)) == at;
}

bool is_anonymous(const MapEntry& entry) {
    return entry.inode == 0 && entry.path.empty() && !entry.shared;
}

bool is_zero(const Memory& memory, Va at) {
    std::array<std::uint8_t, kStubSize> page;
    return memory.read(at, page) && std::ranges::all_of(page, [](std::uint8_t byte) { return byte == 0; });
}

} // namespace

bool holds_stub(const Memory& memory, Va at) {
    const auto code = arch::stub_code();
    Bytes found(code.size());
    return memory.read(at, found) && std::ranges::equal(found, code);
}

std::vector<StubPage> find_stubs(const Memory& memory, const std::vector<MapEntry>& maps) {
    std::vector<StubPage> found;
    for (const MapEntry& entry : maps) {
        if (entry.range.size != kStubSize || !entry.executable || entry.writable || !is_anonymous(entry) ||
            !is_stub_address(entry.range.begin))
            continue;
        if (holds_stub(memory, entry.range.begin))
            found.insert(found.begin(), {entry.range.begin, true});
        else if (is_zero(memory, entry.range.begin))
            found.push_back({entry.range.begin, false});
    }
    return found;
}

bool may_be_in_stub(Va ip) {
    return is_stub_address(Va{ip.value & ~(kStubSize - 1)});
}

std::optional<Va> choose_stub_page(const std::vector<MapEntry>& maps) {
    constexpr int kAttempts = 64;
    std::random_device random;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        const Va at = page_of(kFirstChoice + random() % (kLastChoice - kFirstChoice));
        if (is_free(maps, {at - kStubRoom, 2 * kStubRoom}))
            return at;
    }
    return std::nullopt;
}

std::vector<VaRange> find_staged(const std::vector<MapEntry>& maps, Va stub) {
    std::vector<VaRange> found;
    for (const MapEntry& entry : maps)
        if (entry.range.overlaps(staging_area(stub)) && (is_anonymous(entry) || entry.path.starts_with(kSealedPrefix)))
            found.push_back(entry.range);
    return found;
}

} // namespace suture::loader
