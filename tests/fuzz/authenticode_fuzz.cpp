// Signatures and trust anchors from any bytes. What is accepted must have been signed by the key of the anchor.

#include "loader/trust/signature.hpp"

#include <cstdlib>
#include <string_view>

namespace suture::trust {
namespace {

/// Of a key that signed files of the corpus and was thrown away; valid for 100 years.
constexpr std::string_view kAnchor = "-----BEGIN CERTIFICATE-----\n"
                                     "MIIDIzCCAgugAwIBAgIUNQiqgorbhyDZ1ctfYI4mMO6haxQwDQYJKoZIhvcNAQEL\n"
                                     "BQAwDzENMAsGA1UEAwwEZnV6ejAgFw0yNjExMjEwOTE0NDNaGA8yMTI2MTAyODA5\n"
                                     "MTQ0M1owDzENMAsGA1UEAwwEZnV6ejCCASIwDQYJKoZIhvcNAQEBBQADggEPADCC\n"
                                     "AQoCggEBALUC6DvLsFB+kiqwQnOUB4+98vDFdFUrUfdSoL0B2SAeXfbttb3Eg5+j\n"
                                     "4j+i5hdUMJEjpmOH1RUyjB0QPwr3ewRx5+nd1W754YtR7Z9/kHqYsLpGyT11L0tn\n"
                                     "XhaKBO+P9NUPuofk+AJaQ4DCK8zGdi6/JIOMMWqpG5I1sqeKecfeRUR/+FvsWsjR\n"
                                     "1uWsEj/ptnfn/AI5Ref0yAFbZZkg00BPozcGCbKict8hnIJ+AKQlC+D8wSWprQpg\n"
                                     "0G1HqRCVaw433CjHHPDt8g9KOrKmLT2gFJNqiIeddxSwIFowmAKInizp74qXKpvU\n"
                                     "uU4bawTgvrRpdL9AdQqzJ9k42fWvxsECAwEAAaN1MHMwHQYDVR0OBBYEFPbLfcQh\n"
                                     "Ps5iHkAOLcXYZEmEELjkMB8GA1UdIwQYMBaAFPbLfcQhPs5iHkAOLcXYZEmEELjk\n"
                                     "MA8GA1UdEwEB/wQFMAMBAf8wEwYDVR0lBAwwCgYIKwYBBQUHAwMwCwYDVR0PBAQD\n"
                                     "AgeAMA0GCSqGSIb3DQEBCwUAA4IBAQABYU5w0qokgdW+NhDn+zo32PBhZWncCe3l\n"
                                     "r2UZRBHHyXxVhAexGroEqUyj4baFky4dbUYdjjRaa3vHzfPfEKoftk8iBYbuX+rc\n"
                                     "IJC0KxHkTUesurScLX0ar6fp2ThoQkJU7RRrSynPeP2cUPEiS2TZ+I6oYABohu3/\n"
                                     "6Z8sG3uBMM0k9wVj+5tJhe/k8c3W3qxmaxU9CciTGF49dImLxJOa5IEnicimR+cN\n"
                                     "XyVZJ4ItsFrU5lBH5JnbPMk00tWr41GUImfvvuVN4cZHxnoj5FTdP/ylaZC/HuT/\n"
                                     "cvJShGh2psx/CJWflLzWLW9axtNr51FggJU0pKqCqch9h4W4JnEF\n"
                                     "-----END CERTIFICATE-----\n";

ByteView bytes_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

void require(bool condition) {
    if (!condition)
        std::abort();
}

void verify(ByteView file) {
    static const TrustPolicy policy{.anchors = {*TrustAnchor::parse(bytes_of(kAnchor))}};
    const auto signer = verify_signature(file, policy);
    if (signer)
        require(signer->subject == "CN = fuzz");
    else
        require(!signer.error().message().empty());
    if (const auto other = TrustAnchor::parse(file))
        require(!other->subject().empty());
}

} // namespace
} // namespace suture::trust

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    suture::trust::verify({data, size});
    return 0;
}
