#pragma once

#include "engine/core/error.hpp"

#include <expected>
#include <utility>

namespace suture {

/// A value, or why there is none.
template <class T>
using Result = std::expected<T, Error>;

/// A failed result: `return fail(Code::x, fmt::format("…"));`
inline std::unexpected<Error> fail(Code code, std::string detail) {
    return std::unexpected(Error(code, std::move(detail)));
}
inline std::unexpected<Error> fail(Error error) {
    return std::unexpected(std::move(error));
}

} // namespace suture

#define SUTURE_CONCAT_(a, b) a##b
#define SUTURE_CONCAT(a, b) SUTURE_CONCAT_(a, b)
#define SUTURE_TRY_(tmp, declaration, expression)                                                                      \
    auto tmp = (expression);                                                                                           \
    if (!tmp)                                                                                                          \
        return std::unexpected(std::move(tmp).error());                                                                \
    declaration = std::move(*tmp)

/// `SUTURE_TRY(auto image, PeImage::parse(bytes));` declares `image`, or returns the error to the caller.
#define SUTURE_TRY(declaration, expression) SUTURE_TRY_(SUTURE_CONCAT(suture_try_, __LINE__), declaration, expression)

/// `SUTURE_CHECK(target.write(…));` for a Result<void>: returns the error to the caller.
#define SUTURE_CHECK(expression)                                                                                       \
    do {                                                                                                               \
        if (auto suture_check = (expression); !suture_check)                                                           \
            return std::unexpected(std::move(suture_check).error());                                                   \
    } while (false)
