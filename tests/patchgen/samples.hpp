#pragma once

#include "patchgen/diff/change_set.hpp"
#include "patchgen/program/program.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace suture::test {

/// Path of a built sample's image, e.g. ("tally", "clang", "baseline").
inline std::string sample_path(const std::string& sample, const std::string& variant, const std::string& version) {
    return std::string(SUTURE_SAMPLES) + "/" + sample + "/" + variant + "/" + version + "/" + sample +
           (sample == "heartbeat" ? ".dll" : ".exe");
}

inline std::unique_ptr<const program::Program> load(const std::string& path, bool use_symbols = true) {
    auto program = program::Program::load(path, {{}, use_symbols});
    EXPECT_TRUE(program) << (program ? "" : program.error().message());
    return program ? std::move(*program) : nullptr;
}

/// A sample's two programs and what differs between them.
struct SamplePair {
    SamplePair(const std::string& sample, const std::string& variant, const std::string& from = "baseline",
               const std::string& to = "updated")
        : baseline(load(sample_path(sample, variant, from))), updated(load(sample_path(sample, variant, to))),
          changes(diff::compare(*baseline, *updated)) {
        for (const Error& refusal : changes.refusals)
            ADD_FAILURE() << refusal.message();
    }

    std::unique_ptr<const program::Program> baseline;
    std::unique_ptr<const program::Program> updated;
    diff::ChangeSet changes;
};

} // namespace suture::test
