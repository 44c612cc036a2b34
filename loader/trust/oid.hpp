#pragma once

#include "engine/core/byte_view.hpp"

#include <cstdint>

/// Object identifiers as DER holds them, without tag and length.
namespace suture::trust::oid {

template <class... Byte>
constexpr auto bytes(Byte... byte) {
    return std::array<std::uint8_t, sizeof...(Byte)>{static_cast<std::uint8_t>(byte)...};
}

// Windows Authenticode Portable Executable Signature Format
inline constexpr auto kIndirectData = bytes(0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 1, 4); // 1.3.6.1.4.1.311.2.1.4
inline constexpr auto kPeImageData = bytes(0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 1, 15); // 1.3.6.1.4.1.311.2.1.15
inline constexpr auto kNestedSignature = bytes(0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 4, 1);
inline constexpr auto kTimeStampToken = bytes(0x2b, 6, 1, 4, 1, 0x82, 0x37, 3, 3, 1);
inline constexpr auto kLifetimeSigning = bytes(0x2b, 6, 1, 4, 1, 0x82, 0x37, 10, 3, 13);

// RFC 2315, RFC 5652, RFC 2985, RFC 3161
inline constexpr auto kData = bytes(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1);       // 1.2.840.113549.1.7.1
inline constexpr auto kSignedData = bytes(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2); // 1.2.840.113549.1.7.2
inline constexpr auto kContentType = bytes(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 3);
inline constexpr auto kMessageDigest = bytes(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 4);
inline constexpr auto kSigningTime = bytes(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 5);
inline constexpr auto kCountersignature = bytes(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 6);
inline constexpr auto kTimeStampInfo = bytes(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 4);

// RFC 8017, RFC 5480, RFC 5758, FIPS 180
inline constexpr auto kRsa = bytes(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1);
inline constexpr auto kRsaWithMd5 = bytes(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4);
inline constexpr auto kRsaWithSha1 = bytes(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5);
inline constexpr auto kRsaWithSha256 = bytes(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11);
inline constexpr auto kRsaWithSha384 = bytes(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12);
inline constexpr auto kRsaWithSha512 = bytes(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13);
inline constexpr auto kEcKey = bytes(0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1);
inline constexpr auto kP256 = bytes(0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7);
inline constexpr auto kP384 = bytes(0x2b, 0x81, 4, 0, 34);
inline constexpr auto kP521 = bytes(0x2b, 0x81, 4, 0, 35);
inline constexpr auto kEcdsaWithSha1 = bytes(0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1);
inline constexpr auto kEcdsaWithSha256 = bytes(0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2);
inline constexpr auto kEcdsaWithSha384 = bytes(0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3);
inline constexpr auto kEcdsaWithSha512 = bytes(0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4);
inline constexpr auto kMd5 = bytes(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 5);
inline constexpr auto kSha1 = bytes(0x2b, 14, 3, 2, 26);
inline constexpr auto kSha256 = bytes(0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1);
inline constexpr auto kSha384 = bytes(0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2);
inline constexpr auto kSha512 = bytes(0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3);

// RFC 5280
inline constexpr auto kKeyUsage = bytes(0x55, 0x1d, 15);
inline constexpr auto kCrlReason = bytes(0x55, 0x1d, 21);
inline constexpr auto kInvalidityDate = bytes(0x55, 0x1d, 24);
inline constexpr auto kIssuingDistributionPoint = bytes(0x55, 0x1d, 28);
inline constexpr auto kExtendedKeyUsage = bytes(0x55, 0x1d, 37);
inline constexpr auto kAnyUse = bytes(0x55, 0x1d, 37, 0);
inline constexpr auto kCodeSigning = bytes(0x2b, 6, 1, 5, 5, 7, 3, 3);
inline constexpr auto kTimeStamping = bytes(0x2b, 6, 1, 5, 5, 7, 3, 8);

} // namespace suture::trust::oid
