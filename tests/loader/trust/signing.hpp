#pragma once

#include "engine/core/byte_view.hpp"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <filesystem>
#include <memory>
#include <string>

namespace suture::test {

/// A certificate and its key.
struct Identity {
    std::shared_ptr<EVP_PKEY> key;
    std::shared_ptr<X509> certificate;

    std::string pem() const;     ///< of the certificate
    std::string key_pem() const; ///< not encrypted
    Bytes der() const;           ///< of the certificate
};

/// What a certificate says; by default one for signing code.
struct IdentityOptions {
    std::string subject = "publisher";
    const Identity* issuer = nullptr;               ///< nothing: signed by itself
    int from_days = -1;                             ///< from now
    int to_days = 2;                                ///< from now
    std::string extended_key_usage = "codeSigning"; ///< empty: no such extension
    std::string key_usage = "digitalSignature";     ///< empty: no such extension
    bool authority = false;
    unsigned bits = 2048;
};
/// Throws std::runtime_error if OpenSSL cannot make it.
Identity make_identity(const IdentityOptions& options);
/// An authority that may do anything.
Identity make_authority(const std::string& subject, const Identity* issuer = nullptr);

/// A folder for files, gone with this object.
class Folder {
  public:
    Folder();
    ~Folder();
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    const std::filesystem::path& path() const { return path_; }
    std::filesystem::path write(const std::string& name, ByteView bytes) const;
    std::filesystem::path write(const std::string& name, const std::string& text) const;

  private:
    std::filesystem::path path_;
};

/// A small package without signature.
Bytes unsigned_package();
/// A package with several sections.
Bytes large_package();
/// The file as osslsigncode signs it; `chain`: certificates in PEM that go into the signature. Throws
/// std::runtime_error with what osslsigncode wrote if it fails.
Bytes sign(ByteView file, const Identity& signer, const std::string& chain = "", const std::string& digest = "sha256");

} // namespace suture::test
