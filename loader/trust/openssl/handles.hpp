#pragma once

#include "engine/core/byte_view.hpp"

#include <openssl/evp.h>
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

using OwnedCertificate = std::unique_ptr<X509, Freeing<X509_free>>;

/// Null where OpenSSL does not read it.
OwnedCertificate read_certificate(ByteView der);

/// What OpenSSL says went wrong last, its queue of errors emptied; "no reason given" where it says nothing.
std::string openssl_reason();

} // namespace suture::trust
