#pragma once

#include "loader/trust/der.hpp"

#include <chrono>
#include <string>

namespace suture::trust {

/// A moment, UTC, to the second: as certificates have it.
using Time = std::chrono::sys_seconds;

Time now();

/// A UTCTime or GeneralizedTime that ends with Z (RFC 5280, 4.1.2.5); fractions of a second are cut off.
std::optional<Time> parse_time(const DerValue& value);

/// "2026-03-01 12:00:00 UTC"
std::string text_of(Time time);

} // namespace suture::trust
