#pragma once

#include "patchgen/program/program.hpp"

#include <set>

namespace suture::emit {

/// Code behind an emitted function that stands for those of its instructions which cannot lead where they must.
struct Veneers {
    struct Part {
        std::uint32_t instruction = 0; ///< offset in the function
        std::uint32_t offset = 0;      ///< of its veneer, from the start of the veneers

        bool operator==(const Part&) const = default;
    };

    const program::Function* function = nullptr; ///< of the updated image
    std::vector<Part> parts;                     ///< ascending by both
    Bytes code;

    /// Offsets of the instructions.
    std::set<std::uint32_t> instructions() const {
        std::set<std::uint32_t> result;
        for (const Part& part : parts)
            result.insert(part.instruction);
        return result;
    }
    /// True if they take the same room.
    bool same_shape(const Veneers& other) const {
        return function == other.function && parts == other.parts && code.size() == other.code.size();
    }
};

} // namespace suture::emit
