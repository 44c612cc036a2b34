#include "loader/trust/der.hpp"

namespace suture::trust {

namespace {

constexpr std::uint8_t kLongTag = 0x1f;
constexpr std::uint8_t kLongLength = 0x80;
constexpr std::size_t kMaxLengthBytes = 4;

} // namespace

std::optional<DerValue> take_der(ByteView& from) {
    if (from.size() < 2 || (from[0] & kLongTag) == kLongTag)
        return std::nullopt;
    std::size_t header = 2;
    std::uint64_t length = from[1];
    if (length >= kLongLength) {
        const std::size_t count = length - kLongLength; // none: an indefinite length
        if (count == 0 || count > kMaxLengthBytes || from.size() < header + count)
            return std::nullopt;
        length = 0;
        for (std::size_t i = 0; i < count; ++i)
            length = length << 8 | from[header + i];
        header += count;
    }
    const auto whole = from.slice(0, header + length);
    if (!whole)
        return std::nullopt;
    const DerValue value{static_cast<DerTag>(from[0]), *whole, *whole->from(header)};
    from = *from.from(whole->size());
    return value;
}

std::optional<DerValue> take_der(ByteView& from, DerTag tag) {
    if (from.empty() || from[0] != static_cast<std::uint8_t>(tag))
        return std::nullopt;
    return take_der(from);
}

DerValue DerReader::take() {
    const auto value = failed_ ? std::nullopt : take_der(rest_);
    failed_ = !value;
    return value.value_or(DerValue());
}

DerValue DerReader::take(DerTag tag) {
    const auto value = failed_ ? std::nullopt : take_der(rest_, tag);
    failed_ = !value;
    return value.value_or(DerValue());
}

std::optional<DerValue> DerReader::take_if(DerTag tag) {
    if (!at(tag))
        return std::nullopt;
    const DerValue value = take();
    return failed_ ? std::nullopt : std::optional(value);
}

DerReader DerReader::enter(DerTag tag) {
    DerReader inner(take(tag).content);
    inner.failed_ = failed_;
    return inner;
}

bool DerReader::at(DerTag tag) const {
    return !failed_ && !rest_.empty() && rest_[0] == static_cast<std::uint8_t>(tag);
}

} // namespace suture::trust
