#pragma once

#include <atomic>
#include <cstddef>
#include <thread>

namespace suture::program {

/// Processors that this process may run on; 0 if that is not known.
unsigned usable_processors();

/// Calls work(i) for each i in [0, count) on up to two threads. The result must not depend on the order: each call
/// writes only to what belongs to its index.
template <class Work>
void for_each_index(std::size_t count, const Work& work) {
    constexpr std::size_t kChunk = 64;
    std::atomic<std::size_t> next = 0;
    const auto run = [&] {
        for (;;) {
            const std::size_t first = next.fetch_add(kChunk);
            if (first >= count)
                return;
            for (std::size_t i = first; i < count && i < first + kChunk; ++i)
                work(i);
        }
    };
    if (count > 4 * kChunk && usable_processors() > 1) {
        const std::jthread other(run);
        run();
    } else {
        run();
    }
}

} // namespace suture::program
