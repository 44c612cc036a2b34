// Signatures with their time stamps, trust anchors and revocation lists from any bytes. What is accepted must have been
// signed by the key of an anchor.

#include "loader/trust/revocation.hpp"
#include "loader/trust/signature.hpp"
#include "loader/trust/signed_data.hpp"
#include "loader/trust/time_stamp.hpp"

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

/// Of an authority whose key signed the others of the corpus.
constexpr std::string_view kAuthority = "-----BEGIN CERTIFICATE-----\n"
                                        "MIIC8DCCAdigAwIBAgIUE4HnlfFBZNLLhYjUV0vZ3mRwKMgwDQYJKoZIhvcNAQEL\n"
                                        "BQAwDzENMAsGA1UEAwwEcm9vdDAgFw0xMDAxMDEwMDAwMDBaGA8yMDk5MTIzMTAw\n"
                                        "MDAwMFowDzENMAsGA1UEAwwEcm9vdDCCASIwDQYJKoZIhvcNAQEBBQADggEPADCC\n"
                                        "AQoCggEBAKSu6DK8G45lyFFGLPWR4o0pSbG5pgqph4yDYu4KGHAInN5YMjDTu7Y7\n"
                                        "kiaX7sSvxKeIKdeLUV9eHv2WtEFp0RuCocOwrBzKCcr1TcyTUAWi4dFRtNVc4uKx\n"
                                        "UySi3yeQ3xuW8u1FmheLn1YegKlxyZ0O4LW17xRnO1Xt8H0nO8m3TWqNbrpUCcc/\n"
                                        "HBrqMdnF8luG+wI2absuMjTCp86ZB51QorWEQ0p9BiowPSCLBwBEpjomh2Shos4C\n"
                                        "s+gZb98eulEhJczPkg/ytHmlM6AFpDD5gB2/mwzFMpaWFxRsbQxf6ot5Gmr/y5Yb\n"
                                        "tt8Awrvj/FWQSM+TFpJvvpRZTlr1zuMCAwEAAaNCMEAwDwYDVR0TAQH/BAUwAwEB\n"
                                        "/zAOBgNVHQ8BAf8EBAMCAQYwHQYDVR0OBBYEFHOFvx8hHkj+g7WAiuAhrqibTk6g\n"
                                        "MA0GCSqGSIb3DQEBCwUAA4IBAQAiwGsY7O/pqZPe6xQF24jdWxMhV2jEzy5eBjIP\n"
                                        "DZOPCqisIViAVU98c0F5PrAkIw3DQUsRk0LNZZN17scQJnuvbUsBG0rNVvXHZhgM\n"
                                        "qUujVp2STuiMkuu53xII0TArUjuYSxF8AjlGETgw5BxQG2QUggL8G8QX2AwP6uWp\n"
                                        "h+DIxpKRugxGiDivgD47coRjwbjLeiEPYXw3/mgSNpbHSJMuSo1RUMLapvuhdkAP\n"
                                        "vCCsWGh3MbGD5FFBhQMHApAU+rhYgWFg3lyBlAnpcuIVOcRGVt3UraKfy16rVrVG\n"
                                        "ey4IFWjnasNg5kprS3tt0p9KzcytMgtf1qGEREOpkZZ8JuJL\n"
                                        "-----END CERTIFICATE-----\n";

ByteView bytes_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

void require(bool condition) {
    if (!condition)
        std::abort();
}

/// Nothing depends on when the fuzzer runs.
constexpr Time kNow = std::chrono::sys_days(std::chrono::year(2030) / 1 / 1);

void verify(ByteView file) {
    static const TrustPolicy policy{
        .anchors = {*TrustAnchor::parse(bytes_of(kAnchor)), *TrustAnchor::parse(bytes_of(kAuthority))}, .now = kNow};
    const auto signer = verify_signature(file, policy);
    if (signer)
        require(signer->subject == "CN = fuzz" || signer->subject == "CN = publisher");
    else
        require(!signer.error().message().empty());
    if (const auto other = TrustAnchor::parse(file))
        require(!other->subject().empty());
    if (const auto lists = RevocationList::parse(file)) {
        const std::array chain{policy.anchors.back().certificate()};
        const auto result = check_revocation(chain, *lists, kNow, std::nullopt, true);
        require(result || !result.error().message().empty());
    }
    // Without a file around it: the digest of what changes in a file no longer fits, and ends it there.
    if (const auto data = parse_signed_data(file))
        if (const auto stamps = verify_time_stamps(*data))
            for (const TimeStamp& stamp : stamps->sound)
                require(!text_of(stamp.when).empty() && !stamp.signer.subject_text().empty());
}

} // namespace
} // namespace suture::trust

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    suture::trust::verify({data, size});
    return 0;
}
