#pragma once

#include "patchgen/program/symbols.hpp"

namespace suture::program {

/// What is known of an image's data.
struct DataEvidence {
    const pe::Image& image;
    const Symbols* symbols;           ///< or nullptr
    std::span<const Rva> targets;     ///< addresses that code and pointers refer to, ascending
    std::span<const RvaRange> tables; ///< jump tables
    std::span<const RvaRange> blocks; ///< other structures whose size is known, ascending
    std::span<const pe::ImportSlot> imports;
    std::span<const RvaRange> functions; ///< ascending
    std::span<const Rva> boundaries;     ///< where something else begins: unwind data, directories; ascending
};

/// The data objects, ascending and not overlapping.
std::vector<DataObject> find_data(const DataEvidence& evidence);

} // namespace suture::program
