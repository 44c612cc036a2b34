#pragma once

#include "engine/patch/transaction.hpp"
#include "loader/cli/observation.hpp"
#include "loader/cli/packages.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace suture::cli {

struct ApplyOptions {
    std::vector<std::string> packages;
    std::uint64_t pid = 0;
    TrustOptions trust;
    patch::Options patch;
    std::optional<ObservationOptions> observation;
};
Answer apply(const ApplyOptions& options);

struct RunOptions {
    std::vector<std::string> packages;
    std::vector<std::string> command; ///< program and arguments
    TrustOptions trust;
    patch::Options patch;
};
/// This process becomes the program: it keeps its PID, its standard streams, its parent and how it ends. Another one
/// applies the packages meanwhile, tells `output` of it, and is the only one in which this returns, as where nothing
/// was started.
Exit run(const RunOptions& options, Output& output);

struct StatusOptions {
    std::optional<std::uint64_t> pid;  ///< nothing: every process
    std::vector<std::string> packages; ///< of every process: what the question is about; empty: what is patched anywhere
    TrustOptions trust;
};
/// Differences in a module are an error, and so is an operation that was cut off; both are in the text and JSON too. Of
/// every process: so are processes that do not run the newest code that is known of.
Answer status(const StatusOptions& options);

struct RollbackOptions {
    std::uint64_t pid = 0;
    std::string module;
    std::optional<std::uint32_t> to;
    patch::Options patch;
};
Answer rollback(const RollbackOptions& options);

struct RemoveOptions {
    std::uint64_t pid = 0;
    std::string module;
    patch::Options patch;
};
Answer remove(const RemoveOptions& options);

struct RecoverOptions {
    std::uint64_t pid = 0;
    patch::Options patch;
};
Answer recover(const RecoverOptions& options);

struct VerifyOptions {
    std::string package;
    TrustOptions trust;
};
Answer verify(const VerifyOptions& options);

} // namespace suture::cli
