#pragma once

#include "tests/patchgen/mutation/mutant.hpp"
#include "tests/patchgen/mutation/raw_image.hpp"

namespace suture::test {

/// A mutant of this kind at a place that `random` picks, or nothing where the place has none: try again, a kind may be
/// rare or missing in an image.
std::optional<Mutant> generate(const RawImage& image, Kind kind, Random& random);

/// Of code of either machine.
std::optional<Mutant> generate_x64(const RawImage& image, Kind kind, const Instruction& one, Random& random);
std::optional<Mutant> generate_arm64(const RawImage& image, Kind kind, const Instruction& one, Random& random);
/// Of data, unwind data and directories.
std::optional<Mutant> generate_data(const RawImage& image, Kind kind, Random& random);

/// Where else a reference to `from` may lead: for calls another entry, for strings another one of equal length, for
/// other data another address that code refers to with other content. Nothing if that is hard to find.
std::optional<Rva> another_target(const RawImage& image, Kind kind, const Instruction& one, Random& random);

/// A mutant that changes `bytes` at `at`, or nothing if these lie there already.
std::optional<Mutant> changed(const RawImage& image, Kind kind, Rva at, Bytes bytes, std::vector<Rva> users,
                              bool of_code);

} // namespace suture::test
