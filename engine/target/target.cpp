#include "engine/target/target.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::target {

namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

} // namespace

Result<Bytes> read_bytes(Target& target, Va at, std::uint64_t size) {
    if (size > kMaxRead)
        return fail(Code::target_read_failed,
                    fmt::format("{} bytes at 0x{:x} are more than the limit of {}", size, at.value, kMaxRead));
    Bytes bytes(static_cast<std::size_t>(size));
    SUTURE_CHECK(target.read(at, bytes));
    return bytes;
}

Result<void> Target::read(std::span<const Reading> readings) {
    for (const Reading& one : readings)
        SUTURE_CHECK(read(one.at, one.into));
    return {};
}

Result<void> Target::register_unwind(const UnwindTable& table) {
    return unregister_unwind(table.at);
}

Result<void> Target::unregister_unwind(Va) {
    return fail(Code::unwind_not_registered, fmt::format("process {}: it is not possible here", pid()));
}

Result<void> Target::replace(const Mapping& mapping) {
    SUTURE_TRY(const auto staged, stage({&mapping, 1}));
    return replace(*staged);
}

bool same_file_name(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, {}, lower, lower);
}

Result<Module> find_module(Target& target, std::string_view name) {
    SUTURE_TRY(const auto modules, target.modules());
    const auto found =
        std::ranges::find_if(modules, [&](const Module& module) { return same_file_name(module.name, name); });
    if (found == modules.end())
        return fail(Error(Code::module_not_loaded, fmt::format("{} is not among the {} modules of process {}", name,
                                                               modules.size(), target.pid()))
                        .in_image(std::string(name)));
    return *found;
}

} // namespace suture::target
