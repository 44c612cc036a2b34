#pragma once

#include "loader/trust/signed_data.hpp"

namespace suture::trust {

/// A time stamp that belongs to a signature, and whose own signature holds. By whom it is, is not looked at.
struct TimeStamp {
    Time when;
    Certificate signer;
    std::vector<Certificate> certificates; ///< that came with it
};

struct TimeStamps {
    std::vector<TimeStamp> sound;
    std::optional<Error> unusable; ///< why one does not count, however well it may hold
};

/// The time stamps of a signature: tokens of RFC 3161, and counter-signatures as Authenticode had them before (PKCS
/// #9). Those that are made with SHA-1, as older authorities did, or in ways that the system does not verify say
/// nothing. Error: timestamp_invalid, for any other that is malformed, does not hold or is for another signature.
Result<TimeStamps> verify_time_stamps(const SignedData& data);

} // namespace suture::trust
