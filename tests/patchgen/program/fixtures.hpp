#pragma once

#include "patchgen/program/program.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <ostream>

namespace suture::program::test {

inline std::string fixture(const std::string& name) {
    return std::string(SUTURE_FIXTURES) + "/" + name;
}

inline Bytes bytes_of(const std::string& name) {
    std::ifstream stream(fixture(name), std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
}

/// A fixture as a program. Fails the test, and ends the process of it, if it cannot be read.
inline std::unique_ptr<const Program> load(const std::string& name, const Options& options = {}) {
    auto program = Program::load(fixture(name), options);
    if (!program) {
        ADD_FAILURE() << program.error().message();
        std::abort();
    }
    return std::move(*program);
}

inline const Function* named(const Program& program, std::string_view name) {
    for (const auto& function : program.functions())
        for (const auto& own : function.names)
            if (own == name)
                return &function;
    return nullptr;
}

inline const DataObject* data_named(const Program& program, std::string_view name) {
    for (const auto& object : program.data())
        for (const auto& own : object.names)
            if (own == name)
                return &object;
    return nullptr;
}

} // namespace suture::program::test
