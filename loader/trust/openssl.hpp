#pragma once

#include "engine/core/byte_view.hpp"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace suture::trust {

/// Frees an object of OpenSSL.
template <auto Free>
struct Freeing {
    template <class T>
    void operator()(T* object) const {
        Free(object);
    }
};

using OwnedBio = std::unique_ptr<BIO, Freeing<BIO_free_all>>;
using OwnedCertificate = std::unique_ptr<X509, Freeing<X509_free>>;
using OwnedPkcs7 = std::unique_ptr<PKCS7, Freeing<PKCS7_free>>;

/// A reader of bytes that must outlive it; null where memory is short.
OwnedBio bio_of(ByteView bytes);

/// What OpenSSL says went wrong last, its queue of errors emptied; "no reason given" where it says nothing.
std::string openssl_reason();

/// The distinguished name in one line, UTF-8, control characters escaped: "CN = publisher, O = Example".
std::string text_of(const X509_NAME* name);

} // namespace suture::trust
