#include "loader/trust/der.hpp"
#include "loader/trust/oid.hpp"
#include "loader/trust/system.hpp"
#include "loader/trust/windows/handles.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace suture::trust {

std::string text_of_status(long status) {
    return fmt::format("0x{:08x}", static_cast<unsigned long>(status));
}

namespace system {

namespace {

std::unexpected<Error> unsupported(std::string what, long status) {
    return fail(Code::signature_unsupported, fmt::format("{}: {}", std::move(what), text_of_status(status)));
}

const wchar_t* name_of(Digest digest) {
    switch (digest) {
    case Digest::sha384:
        return BCRYPT_SHA384_ALGORITHM;
    case Digest::sha512:
        return BCRYPT_SHA512_ALGORITHM;
    default:
        return BCRYPT_SHA256_ALGORITHM;
    }
}

std::size_t size_of(Digest digest) {
    return digest == Digest::sha512 ? 64 : digest == Digest::sha384 ? 48 : 32;
}

Result<OwnedAlgorithm> open(const wchar_t* name) {
    void* handle = nullptr;
    if (const NTSTATUS status = BCryptOpenAlgorithmProvider(&handle, name, nullptr, 0); status != 0)
        return unsupported("the system has no such algorithm", status);
    return OwnedAlgorithm(handle);
}

// CNG takes bytes that it only reads as if it wrote to them.
UCHAR* writable(const std::uint8_t* bytes) {
    return const_cast<UCHAR*>(bytes);
}

ByteView without_zeros(ByteView number) {
    while (number.size() > 1 && number[0] == 0)
        number = *number.from(1);
    return number;
}

template <class T>
void append(Bytes& to, const T& value) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
    to.insert(to.end(), bytes, bytes + sizeof(value));
}

/// A number as that many bytes, the highest first; nothing where it has more.
bool append_number(Bytes& to, ByteView number, std::size_t size) {
    number = without_zeros(number);
    if (number.size() > size)
        return false;
    to.insert(to.end(), size - number.size(), 0);
    to.insert(to.end(), number.begin(), number.end());
    return true;
}

struct Curve {
    ByteView identifier;
    const wchar_t* algorithm;
    ULONG magic;
    std::size_t size; ///< bytes of a coordinate
};
constexpr Curve kCurves[] = {
    {oid::kP256, BCRYPT_ECDSA_P256_ALGORITHM, BCRYPT_ECDSA_PUBLIC_P256_MAGIC, 32},
    {oid::kP384, BCRYPT_ECDSA_P384_ALGORITHM, BCRYPT_ECDSA_PUBLIC_P384_MAGIC, 48},
    {oid::kP521, BCRYPT_ECDSA_P521_ALGORITHM, BCRYPT_ECDSA_PUBLIC_P521_MAGIC, 66},
};

/// A key as CNG reads it, and the signature likewise.
struct Import {
    const wchar_t* algorithm = nullptr;
    const wchar_t* format = nullptr;
    Bytes key;
    Bytes signature;
};

std::optional<Import> import_rsa(const Certificate& certificate, ByteView signature) {
    DerReader key = DerReader(certificate.key_bits).enter(DerTag::sequence);
    const ByteView modulus = without_zeros(key.take(DerTag::integer).content);
    const ByteView exponent = without_zeros(key.take(DerTag::integer).content);
    if (!key.done())
        return std::nullopt;
    Import import{BCRYPT_RSA_ALGORITHM, BCRYPT_RSAPUBLIC_BLOB, {}, signature.copy()};
    append(import.key,
           BCRYPT_RSAKEY_BLOB{BCRYPT_RSAPUBLIC_MAGIC, static_cast<ULONG>(certificate.rsa_bits),
                              static_cast<ULONG>(exponent.size()), static_cast<ULONG>(modulus.size()), 0, 0});
    import.key.insert(import.key.end(), exponent.begin(), exponent.end());
    import.key.insert(import.key.end(), modulus.begin(), modulus.end());
    return import;
}

std::optional<Import> import_elliptic(const Certificate& certificate, ByteView signature) {
    const auto curve =
        std::ranges::find_if(kCurves, [&](const Curve& one) { return one.identifier == certificate.key_parameters; });
    const ByteView point = certificate.key_bits;
    constexpr std::uint8_t kUncompressed = 4;
    if (curve == std::end(kCurves) || point.size() != 1 + 2 * curve->size || point[0] != kUncompressed)
        return std::nullopt;
    Import import{curve->algorithm, BCRYPT_ECCPUBLIC_BLOB, {}, {}};
    append(import.key, BCRYPT_ECCKEY_BLOB{curve->magic, static_cast<ULONG>(curve->size)});
    import.key.insert(import.key.end(), point.begin() + 1, point.end());
    DerReader outer(signature);
    DerReader parts = outer.enter(DerTag::sequence);
    const ByteView r = parts.take(DerTag::integer).content;
    const ByteView s = parts.take(DerTag::integer).content;
    // What is no signature of this curve does not hold, and an empty one does not either.
    if (!outer.done() || !parts.done() || !append_number(import.signature, r, curve->size) ||
        !append_number(import.signature, s, curve->size))
        import.signature.assign(2 * curve->size, 0);
    return import;
}

} // namespace

Result<Bytes> digest(Digest algorithm, std::span<const ByteView> parts) {
    SUTURE_TRY(const OwnedAlgorithm provider, open(name_of(algorithm)));
    void* handle = nullptr;
    NTSTATUS status = BCryptCreateHash(provider.get(), &handle, nullptr, 0, nullptr, 0, 0);
    const OwnedHash hash(handle);
    for (const ByteView part : parts)
        if (status == 0 && !part.empty()) // certificate tables and images have less than 4 GiB
            status = BCryptHashData(hash.get(), writable(part.data()), static_cast<ULONG>(part.size()), 0);
    Bytes digest(size_of(algorithm));
    if (status == 0)
        status = BCryptFinishHash(hash.get(), digest.data(), static_cast<ULONG>(digest.size()), 0);
    if (status != 0)
        return unsupported("a digest cannot be computed", status);
    return digest;
}

Result<void> verify(const Certificate& certificate, Digest algorithm, ByteView digest, ByteView signature) {
    const bool rsa = certificate.key == KeyKind::rsa;
    const auto import = rsa ? import_rsa(certificate, signature) : import_elliptic(certificate, signature);
    if (!import)
        return fail(Code::signature_unsupported, "the signer's key cannot be used: " + certificate.subject_text());
    SUTURE_TRY(const OwnedAlgorithm provider, open(import->algorithm));
    void* handle = nullptr;
    NTSTATUS status = BCryptImportKeyPair(provider.get(), nullptr, import->format, &handle,
                                          writable(import->key.data()), static_cast<ULONG>(import->key.size()), 0);
    if (status != 0)
        return unsupported("the system does not take the signer's key", status);
    const OwnedKey key(handle);
    BCRYPT_PKCS1_PADDING_INFO padding{name_of(algorithm)};
    // Of a digest that is longer than the curve, the front counts (FIPS 186-4, 6.4).
    const std::size_t used = rsa ? digest.size() : std::min(digest.size(), import->signature.size() / 2);
    status = BCryptVerifySignature(key.get(), rsa ? &padding : nullptr, writable(digest.data()),
                                   static_cast<ULONG>(used), writable(import->signature.data()),
                                   static_cast<ULONG>(import->signature.size()), rsa ? BCRYPT_PAD_PKCS1 : 0);
    if (status != 0)
        return fail(Code::signature_invalid,
                    fmt::format("{} did not make it: {}", certificate.subject_text(), text_of_status(status)));
    return {};
}

} // namespace system

} // namespace suture::trust
