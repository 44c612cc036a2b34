#include "patchgen/program/machine_code.hpp"

#include "patchgen/program/arm64/machine_code.hpp"
#include "patchgen/program/x64/machine_code.hpp"

#include <algorithm>

namespace suture::program {

std::vector<AddressTable> address_tables_but(std::span<const Switch> switches, std::vector<AddressTable> tables) {
    std::ranges::sort(tables);
    const auto repeated = std::ranges::unique(tables);
    tables.erase(repeated.begin(), repeated.end());
    std::erase_if(tables, [&](const AddressTable& table) {
        return std::ranges::any_of(switches, [&](const Switch& s) { return s.table == table.at; });
    });
    return tables;
}

std::optional<Rva> target_of_entry(const pe::Image& image, const Switch& s, std::uint32_t i) {
    const Rva at = s.table + s.entry_size * i;
    const auto widened = [&]<class Signed, class Unsigned>(Signed, Unsigned) -> std::optional<std::int64_t> {
        const auto raw = image.read<Unsigned>(at);
        if (!raw)
            return std::nullopt;
        return s.is_signed ? std::int64_t{static_cast<Signed>(*raw)} : std::int64_t{*raw};
    };
    const auto entry = s.entry_size == 1   ? widened(std::int8_t{}, std::uint8_t{})
                       : s.entry_size == 2 ? widened(std::int16_t{}, std::uint16_t{})
                                           : widened(std::int32_t{}, std::uint32_t{});
    if (!entry)
        return std::nullopt;
    const std::int64_t to = std::int64_t{s.base.value} + *entry * (std::int64_t{1} << s.shift);
    if (to < 0 || to >= image.size_of_image())
        return std::nullopt;
    return Rva{static_cast<std::uint32_t>(to)};
}

const MachineCode& machine_code(Machine machine) {
    return machine == Machine::arm64 ? arm64::machine_code() : x64::machine_code();
}

} // namespace suture::program
