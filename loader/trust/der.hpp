#pragma once

#include "engine/core/byte_view.hpp"

#include <optional>

namespace suture::trust {

/// Identifier octets of DER (X.690, 8.1.2): class, form and number in one. Numbers above 30 do not occur.
enum class DerTag : std::uint8_t {
    boolean = 0x01,
    integer = 0x02,
    bit_string = 0x03,
    octet_string = 0x04,
    object_identifier = 0x06,
    enumerated = 0x0a,
    utf8_string = 0x0c,
    printable_string = 0x13,
    teletex_string = 0x14,
    ia5_string = 0x16,
    utc_time = 0x17,
    generalized_time = 0x18,
    bmp_string = 0x1e,
    sequence = 0x30,
    set = 0x31,
    /// What a module of ASN.1 calls [n], of the constructed form.
    context_0 = 0xa0,
    context_1 = 0xa1,
    context_3 = 0xa3,
};

/// One value of a DER stream.
struct DerValue {
    DerTag tag{};
    ByteView whole; ///< tag, length and content
    ByteView content;
};

/// Takes the first value off `from`, if it has a definite length of at most four bytes and lies inside; else nothing,
/// and `from` stays as it is.
std::optional<DerValue> take_der(ByteView& from);
/// The same for a value of this tag alone.
std::optional<DerValue> take_der(ByteView& from, DerTag tag);

/// Takes values off untrusted DER one after the other. The first that is not as asked for makes this fail for good:
/// what is taken from then on is empty, so that it is enough to ask once, when all is taken.
class DerReader {
  public:
    explicit DerReader(ByteView bytes) : rest_(bytes) {}

    DerValue take();
    DerValue take(DerTag tag);
    /// A value that may be left out.
    std::optional<DerValue> take_if(DerTag tag);
    /// For the values inside of one.
    DerReader enter(DerTag tag);

    bool at(DerTag tag) const;
    bool empty() const { return rest_.empty(); }
    bool failed() const { return failed_; }
    /// All that was asked for was there, and nothing else.
    bool done() const { return !failed_ && rest_.empty(); }
    ByteView rest() const { return rest_; }

  private:
    ByteView rest_;
    bool failed_ = false;
};

} // namespace suture::trust
