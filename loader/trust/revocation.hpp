#pragma once

#include "loader/trust/revocation_list.hpp"

#include <span>

namespace suture::trust {

/// Looks up every certificate of a chain but the anchor in the lists of its issuer, which must hold themselves. What is
/// revoked later than `used`, the moment for which there is proof that a signature existed, was not revoked for it;
/// nothing: there is no such proof, and any revocation counts.
/// `must_know`: some list must speak of the first certificate. A chain of a certificate that issued itself is looked up
/// in its own lists. Errors: certificate_revoked, revocation_list_invalid, revocation_list_outdated,
/// revocation_unknown.
Result<void> check_revocation(std::span<const Certificate> chain, std::span<const RevocationList> lists, Time now,
                              std::optional<Time> used, bool must_know);

} // namespace suture::trust
