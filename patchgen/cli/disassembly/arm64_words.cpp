#include "patchgen/cli/disassembly/machines.hpp"

namespace suture::cli {

Arm64Text::Arm64Text() = default;
Arm64Text::~Arm64Text() = default;

std::string Arm64Text::of(std::uint32_t) const {
    return {};
}

} // namespace suture::cli
