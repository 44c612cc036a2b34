#pragma once

#include "engine/patch/transaction.hpp"
#include "loader/cli/output.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace suture::cli {

struct ObservationOptions {
    std::chrono::nanoseconds duration{};
    std::string probe; ///< a command for /bin/sh; empty: none
    std::chrono::nanoseconds probe_patience = std::chrono::seconds(5);
    bool verbose = false;
};

/// What became of a process after a commit.
struct Observation {
    std::chrono::nanoseconds watched{};
    unsigned probes = 0; ///< that ran after the commit
    std::string fault;   ///< what was seen; empty: nothing
    bool mixed = false;  ///< rolled back while calls of the new code were under way
    /// observation_failed: rolled back; target_gone; or why it could not be rolled back, caused by observation_failed.
    std::optional<Error> error;
};

/// The probe on what is in force, before anything is applied. Error: probe_failed.
Result<void> check_probe(std::uint64_t pid, const ObservationOptions& options);

/// Watches the process, and rolls back what `report` tells of if anything is wrong; `report` tells then what is in
/// force instead. SIGINT and SIGTERM end the watch, and count as wrong: what was not watched to the end is not
/// left in force.
Observation observe(target::Target& target, patch::Report& report, const ObservationOptions& options,
                    const patch::Options& patch);

std::string observation_text(const Observation& observation);
/// {"seconds", "probes", "outcome": "passed|rolled-back|gone|failed", "fault": text or null, "mixed"}
Json observation_json(const Observation& observation);

} // namespace suture::cli
