#pragma once

#include "engine/package/reader.hpp"
#include "patchgen/emit/emit.hpp"
#include "patchgen/prove/prove.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace suture::test {

/// An image of a pair that was built for these tests, with its PDB or without.
inline std::unique_ptr<const program::Program> load_arm64(const std::string& name, const std::string& version,
                                                          bool use_symbols = true) {
    auto program = program::Program::load(
        std::string(SUTURE_ARM64_PAIRS) + "/" + name + "/" + version + "/" + name + ".dll", {{}, use_symbols});
    EXPECT_TRUE(program) << (program ? "" : program.error().message());
    return program ? std::move(*program) : nullptr;
}

/// A pair and what differs.
struct Arm64Pair {
    explicit Arm64Pair(const std::string& name, bool use_symbols = true)
        : baseline(load_arm64(name, "baseline", use_symbols)), updated(load_arm64(name, "updated", use_symbols)),
          changes(diff::compare(*baseline, *updated)) {
        for (const Error& refusal : changes.refusals)
            ADD_FAILURE() << refusal.message();
    }

    Result<package::Contents> emit() const { return emit::emit(*baseline, *updated, changes, {}); }
    /// Names of the functions that are emitted, ascending by their place in the updated image.
    std::vector<std::string> emitted() const {
        std::vector<std::string> names;
        for (const diff::EmittedFunction& function : changes.functions)
            names.push_back(function.updated->display_name());
        return names;
    }
    /// Why there is no package that can be proved; empty if there is one.
    std::string obstacle() const {
        const auto contents = emit();
        if (!contents)
            return contents.error().message();
        const auto bytes = package::write_package(*contents);
        if (!bytes)
            return bytes.error().message();
        const auto proof = prove::prove(*baseline, *updated, *bytes);
        return proof ? "" : proof.error().message();
    }

    std::unique_ptr<const program::Program> baseline;
    std::unique_ptr<const program::Program> updated;
    diff::ChangeSet changes;
};

} // namespace suture::test
