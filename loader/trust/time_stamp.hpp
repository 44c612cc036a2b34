#pragma once

#include "loader/trust/signed_data.hpp"

namespace suture::trust {

/// A time stamp that belongs to a signature, and whose own signature holds. By whom it is, is not looked at.
struct TimeStamp {
    Time when;
    Certificate signer;
    std::vector<Certificate> certificates; ///< that came with it
};

/// The time stamps of a signature: tokens of RFC 3161, and counter-signatures as Authenticode had them before (PKCS
/// #9). Error: timestamp_invalid, for any of them that is malformed, weak, does not hold or is for another signature.
Result<std::vector<TimeStamp>> verify_time_stamps(const SignedData& data);

} // namespace suture::trust
