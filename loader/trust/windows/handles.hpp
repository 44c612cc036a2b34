#pragma once

#include "engine/core/byte_view.hpp"

// clang-format off: the others need windows.h before them
#include <windows.h>
#include <bcrypt.h>
#include <wincrypt.h>
// clang-format on

#include <memory>
#include <string>

namespace suture::trust {

/// Frees what the system gave.
template <auto Free>
struct Freeing {
    template <class T>
    void operator()(T* object) const {
        Free(object);
    }
};

inline void close_algorithm(void* handle) {
    BCryptCloseAlgorithmProvider(handle, 0);
}
inline void close_store(void* store) {
    CertCloseStore(store, 0);
}
using OwnedAlgorithm = std::unique_ptr<void, Freeing<close_algorithm>>;
using OwnedHash = std::unique_ptr<void, Freeing<BCryptDestroyHash>>;
using OwnedKey = std::unique_ptr<void, Freeing<BCryptDestroyKey>>;
using OwnedStore = std::unique_ptr<void, Freeing<close_store>>;
using OwnedContext = std::unique_ptr<const CERT_CONTEXT, Freeing<CertFreeCertificateContext>>;
using OwnedChain = std::unique_ptr<const CERT_CHAIN_CONTEXT, Freeing<CertFreeCertificateChain>>;

/// "0x80096010"
std::string text_of_status(long status);

} // namespace suture::trust
