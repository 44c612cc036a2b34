#pragma once

#include "engine/package/reader.hpp"
#include "engine/patch/plan.hpp"
#include "engine/target/target.hpp"

namespace suture::patch {

struct ResolvedImports {
    std::vector<ResolvedImport> slots;
    std::vector<target::Module> providers; ///< modules that the addresses lie in: they must stay loaded
};

/// Addresses of the package's own imports, looked up in the exports of the modules that the target has loaded;
/// forwarders are followed. Nothing is loaded. Error: import_unavailable.
Result<ResolvedImports> resolve_imports(target::Target& target, const package::Package& package);

} // namespace suture::patch
