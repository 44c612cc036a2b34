#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

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

/// Makes something of each i in [0, count), side by side, and hands it to take() in order. Not all of it is in memory
/// at a time.
template <class Make, class Take>
void for_each_in_order(std::size_t count, const Make& make, const Take& take) {
    constexpr std::size_t kBatch = 4096;
    std::vector<decltype(make(std::size_t{}))> made;
    for (std::size_t first = 0; first < count; first += kBatch) {
        made.clear();
        made.resize(std::min(kBatch, count - first));
        for_each_index(made.size(), [&](std::size_t i) { made[i] = make(first + i); });
        for (auto& one : made)
            take(one);
    }
}

} // namespace suture::program
