#pragma once

#include "engine/core/address.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace suture::loader {

/// A module as the loader in the process lists it.
struct ListedModule {
    std::string name; ///< of its file
    std::string path; ///< of Windows
    VaRange range;
};

/// Fills all of it, or fails.
using ReadMemory = std::function<bool(Va, std::span<std::uint8_t>)>;

enum class ModuleOrder : std::uint8_t {
    loaded,
    initialized, ///< a module is entered just before its code runs for the first time
};

/// The list that hangs on a process environment block. Empty where there is none yet; nothing if what is found is no
/// list, as while it changes. Nothing of it is believed but what can be.
std::optional<std::vector<ListedModule>> walk_modules(const ReadMemory& read, Va peb, ModuleOrder order);

} // namespace suture::loader
