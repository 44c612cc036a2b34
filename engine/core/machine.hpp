#pragma once

#include <cstdint>
#include <string_view>

namespace suture {

/// The processor an image is for. Values are IMAGE_FILE_MACHINE_* of the PE header
/// (Microsoft PE Format, "Machine Types").
enum class Machine : std::uint16_t {
    x64 = 0x8664,
    arm64 = 0xaa64,
};

/// "x64" or "arm64": the spelling used in output and JSON.
constexpr std::string_view name_of(Machine machine) {
    return machine == Machine::x64 ? "x64" : "arm64";
}

} // namespace suture
