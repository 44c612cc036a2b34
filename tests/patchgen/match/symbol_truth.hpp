#pragma once

#include "engine/core/result.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace suture::test {

/// How matching without symbols does beside what the symbols say.
struct SymbolTruth {
    std::size_t pairs =
        0; ///< functions of the baseline whose name one function of the updated image has too, `unseen` ones left out
    std::size_t found = 0; ///< of them, those that are paired with it without symbols
    /// Names of those that are not found because nothing in one of the images but its symbols leads to them: no unwind
    /// data, no call, no pointer. They are not counted in `pairs`.
    std::vector<std::string> unseen;
    std::vector<std::string> missing; ///< names of the others that are not found
    /// Pairs made without symbols of functions whose names say that they are not the same: "f, g".
    std::vector<std::string> wrong;
};

/// Matches two images with and without their symbols. Errors: those of Program::load(); symbols_unreadable where
/// either has none.
Result<SymbolTruth> symbol_truth_of(const std::string& baseline, const std::string& updated);

} // namespace suture::test
