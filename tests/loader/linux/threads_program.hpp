#pragma once

#include "loader/host/process.hpp"
#include "tests/support/wine.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>

namespace suture::test {

/// threads.exe with a Target on it.
struct ThreadsProgram {
    WineProcess process;
    std::unique_ptr<target::Target> target;

    explicit ThreadsProgram(int count, const std::string& kind = "")
        : process(program_path("threads.exe"),
                  {.arguments = {std::to_string(count), kind}, .environment = {}, .directory = {}, .ready = "alive"}) {
        auto opened = loader::open_process(static_cast<std::uint64_t>(process.pid()));
        if (!opened)
            throw std::runtime_error(opened.error().message());
        target = std::move(*opened);
    }

    /// The program goes on, and none of its threads ever saw anything wrong, or stands still.
    void expect_healthy() {
        unsigned long beat = 0;
        long errors = -1;
        int stuck = -1;
        // A line that is written from now on.
        const std::size_t size = process.output().size();
        ASSERT_TRUE(process.wait_for("\nalive ", std::chrono::seconds(30), size)) << process.output();
        ASSERT_TRUE(process.wait_for("\n", std::chrono::seconds(30), process.output().rfind("alive ")));
        const std::string line = process.last_line("alive");
        ASSERT_EQ(std::sscanf(line.c_str(), "alive %lu errors %ld stuck %d", &beat, &errors, &stuck), 3) << line;
        EXPECT_EQ(errors, 0) << line;
        EXPECT_EQ(stuck, 0) << line;
        EXPECT_TRUE(process.running());
    }
};

/// Addresses that nothing in threads.exe uses.
inline constexpr Va kFree{0x150000000};

template <class T>
testing::AssertionResult succeeded(const Result<T>& result) {
    if (result)
        return testing::AssertionSuccess();
    return testing::AssertionFailure() << result.error().message();
}

template <class T>
testing::AssertionResult failed_with(const Result<T>& result, Code code, std::string_view part = "") {
    if (result)
        return testing::AssertionFailure() << "it succeeded";
    const std::string message = result.error().message();
    if (result.error().code() != code || message.find(part) == std::string::npos)
        return testing::AssertionFailure() << message;
    return testing::AssertionSuccess();
}

} // namespace suture::test
