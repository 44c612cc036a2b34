#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <functional>
#include <optional>
#include <vector>

namespace suture::program {

/// Processors that this process may run on; 0 if that is not known.
unsigned usable_processors();

/// Most threads that divide work, the one that has it included.
unsigned most_threads();

/// Work that may be run by several threads at the same time, each of which does a part of what is left. Threads that
/// have nothing else to do begin with it at once.
class SharedWork {
  public:
    explicit SharedWork(std::function<void()> run);
    /// Waits until no thread runs it any more.
    ~SharedWork();
    SharedWork(const SharedWork&) = delete;
    SharedWork& operator=(const SharedWork&) = delete;

    /// Runs it here too, and waits for the others. What one of them throws is thrown here.
    void finish();

  private:
    friend class Crew;
    void run_once() noexcept;
    void wait();

    std::function<void()> run_;
    unsigned running_ = 0;   ///< threads that have it; guarded by the crew
    std::atomic<bool> failed_ = false;
    std::exception_ptr failure_; ///< of the first that failed
};

/// Calls of work(i) for each i in [0, count) that threads share.
template <class Work>
class SharedCalls {
  public:
    SharedCalls(std::size_t count, const Work& work)
        : count_(count), chunk_(std::clamp<std::size_t>(count / kChunks, 1, kMostInChunk)), work_(work) {
        if (count >= kFewest && most_threads() > 1)
            shared_.emplace([this] { run(); });
    }

    void finish() {
        if (shared_)
            shared_->finish();
        else
            run();
    }

  private:
    static constexpr std::size_t kFewest = 16; ///< fewer calls are done before another thread is awake
    static constexpr std::size_t kChunks = 32;
    static constexpr std::size_t kMostInChunk = 64;

    void run() {
        for (;;) {
            const std::size_t first = next_.fetch_add(chunk_);
            if (first >= count_)
                return;
            for (std::size_t i = first; i < count_ && i < first + chunk_; ++i)
                work_(i);
        }
    }

    const std::size_t count_;
    const std::size_t chunk_;
    const Work& work_;
    std::atomic<std::size_t> next_ = 0;
    std::optional<SharedWork> shared_; ///< last: waits before the rest goes
};

/// Calls work(i) for each i in [0, count), on several threads. The result must not depend on the order: each call
/// writes only to what belongs to its index.
template <class Work>
void for_each_index(std::size_t count, const Work& work) {
    SharedCalls<Work>(count, work).finish();
}

/// Does both, side by side.
template <class A, class B>
void at_once(const A& a, const B& b) {
    std::atomic<bool> begun = false;
    SharedWork other([&] {
        if (!begun.exchange(true))
            b();
    });
    a();
    other.finish();
}

/// Makes something of each i in [0, count), side by side, and hands it to take() in order. Not all of it is in memory
/// at a time. take() runs while more is made: it must change nothing that make() looks at.
template <class Make, class Take>
void for_each_in_order(std::size_t count, const Make& make, const Take& take) {
    constexpr std::size_t kBatch = 2048;
    using Made = decltype(make(std::size_t{}));
    std::vector<Made> made, next;
    const auto finish = [&](std::size_t first) {
        next.clear();
        next.resize(std::min(kBatch, count - first));
        const auto work = [&](std::size_t i) { next[i] = make(first + i); };
        SharedCalls calls(next.size(), work);
        for (auto& one : made)
            take(one);
        calls.finish();
        made.swap(next);
    };
    for (std::size_t first = 0; first < count; first += kBatch)
        finish(first);
    for (auto& one : made)
        take(one);
}

} // namespace suture::program
