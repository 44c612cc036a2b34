#pragma once

#include "engine/package/reader.hpp"
#include "engine/patch/plan.hpp"
#include "engine/target/target.hpp"

namespace suture::patch {

/// Addresses of the package's own imports, looked up in the exports of the modules that the target has loaded;
/// forwarders are followed. Nothing is loaded. Error: import_unavailable.
Result<std::vector<ResolvedImport>> resolve_imports(target::Target& target, const package::Package& package);

} // namespace suture::patch
