#pragma once

#include "patchgen/cli/output.hpp"
#include "patchgen/cli/report/model.hpp"

namespace suture::cli {

/// The report as JSON. Scripts rely on its keys: they are added to, never renamed.
Json report_json(const Report& report);
Json proof_json(const prove::Proof& proof);

} // namespace suture::cli
