#include "patchgen/program/parallel.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <stdexcept>

namespace suture::program {
namespace {

TEST(Parallel, CallsForEachIndexOnce) {
    for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{15}, std::size_t{16}, std::size_t{17},
                                    std::size_t{2047}, std::size_t{100'003}}) {
        std::vector<int> calls(count, 0);
        for_each_index(count, [&](std::size_t i) { ++calls[i]; });
        EXPECT_EQ(std::ranges::count(calls, 1), static_cast<std::ptrdiff_t>(count));
    }
}

TEST(Parallel, TakesInOrderWhatIsMadeSideBySide) {
    for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{2048}, std::size_t{2049},
                                    std::size_t{10'000}}) {
        std::vector<std::size_t> taken;
        for_each_in_order(
            count, [](std::size_t i) { return std::vector(i % 3, i); },
            [&](std::vector<std::size_t>& one) { taken.insert(taken.end(), one.begin(), one.end()); });
        std::vector<std::size_t> expected;
        for (std::size_t i = 0; i < count; ++i)
            expected.insert(expected.end(), i % 3, i);
        EXPECT_EQ(taken, expected);
    }
}

TEST(Parallel, MayBeAskedFromWithin) {
    std::vector<std::size_t> sums(64);
    for_each_index(sums.size(), [&](std::size_t i) {
        std::vector<std::size_t> parts(200);
        for_each_index(parts.size(), [&](std::size_t k) { parts[k] = i * k; });
        sums[i] = std::accumulate(parts.begin(), parts.end(), std::size_t{0});
    });
    for (std::size_t i = 0; i < sums.size(); ++i)
        EXPECT_EQ(sums[i], i * (199 * 200 / 2));
}

TEST(Parallel, ThrowsHereWhatWasThrownAnywhere) {
    for (int i = 0; i < 100; ++i)
        EXPECT_THROW(for_each_index(1000,
                                    [](std::size_t k) {
                                        if (k == 500)
                                            throw std::runtime_error("memory");
                                    }),
                     std::runtime_error);
    // Whoever throws between the two leaves nothing running.
    EXPECT_THROW(for_each_in_order(
                     10'000, [](std::size_t k) { return k; }, [](std::size_t) { throw std::runtime_error("memory"); }),
                 std::runtime_error);
}

} // namespace
} // namespace suture::program
