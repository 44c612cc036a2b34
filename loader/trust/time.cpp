#include "loader/trust/time.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace suture::trust {

namespace {

std::optional<unsigned> take_number(std::string_view& text, std::size_t digits) {
    if (text.size() < digits)
        return std::nullopt;
    unsigned number = 0;
    for (const char digit : text.substr(0, digits)) {
        if (digit < '0' || digit > '9')
            return std::nullopt;
        number = number * 10 + static_cast<unsigned>(digit - '0');
    }
    text.remove_prefix(digits);
    return number;
}

} // namespace

Time now() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

std::optional<Time> parse_time(const DerValue& value) {
    std::string_view text(reinterpret_cast<const char*>(value.content.data()), value.content.size());
    std::optional<unsigned> year;
    if (value.tag == DerTag::utc_time) {
        year = take_number(text, 2);
        if (year)
            *year += *year < 50 ? 2000u : 1900u;
    } else if (value.tag == DerTag::generalized_time) {
        year = take_number(text, 4);
    }
    if (!year)
        return std::nullopt;
    std::array<unsigned, 5> parts{}; // month, day, hour, minute, second
    for (unsigned& part : parts) {
        const auto number = take_number(text, 2);
        if (!number)
            return std::nullopt;
        part = *number;
    }
    if (value.tag == DerTag::generalized_time && text.starts_with('.'))
        text.remove_prefix(std::min(text.find_first_not_of("0123456789", 1), text.size()));
    const std::chrono::year_month_day day(std::chrono::year(static_cast<int>(*year)), std::chrono::month(parts[0]),
                                          std::chrono::day(parts[1]));
    // 60: a leap second
    if (text != "Z" || !day.ok() || parts[2] > 23 || parts[3] > 59 || parts[4] > 60)
        return std::nullopt;
    return Time(std::chrono::sys_days(day)) + std::chrono::hours(parts[2]) + std::chrono::minutes(parts[3]) +
           std::chrono::seconds(parts[4]);
}

std::string text_of(Time time) {
    const auto days = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day day(days);
    const std::chrono::hh_mm_ss clock(time - days);
    return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC", static_cast<int>(day.year()),
                       static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()), clock.hours().count(),
                       clock.minutes().count(), clock.seconds().count());
}

} // namespace suture::trust
