#include "loader/linux/threads.hpp"

#include "loader/linux/procfs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

namespace suture::loader {

using tracing::Event;

Result<bool> StoppedThreads::attach(pid_t tid, std::chrono::milliseconds patience) {
    constexpr std::chrono::microseconds kBetween{200};

    const auto deadline = std::chrono::steady_clock::now() + patience;
    auto seized = tracing::seize(tid);
    // Wine's server traces a thread for a moment to see or change its registers.
    while (seized == tracing::Seized::refused && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(kBetween);
        seized = tracing::seize(tid);
    }
    switch (seized) {
    case tracing::Seized::gone:
        return false;
    case tracing::Seized::refused:
        return fail(Error(Code::target_stop_failed,
                          fmt::format("process {} {}", pid_, tracing::refusal(static_cast<std::uint64_t>(tid))))
                        .in_thread(static_cast<std::uint64_t>(tid)));
    case tracing::Seized::yes:
        break;
    }
    threads_.push_back({tid, {}, {}});
    return true;
}

Result<void> StoppedThreads::await(std::size_t first, tracing::Deadline deadline) {
    for (std::size_t i = first; i < threads_.size(); ++i) {
        StoppedThread& thread = threads_[i];
        if (thread.how.event != Event::ended)
            thread.how = tracing::report(thread.tid, deadline);
        if (thread.how.event == Event::timeout) {
            const auto tid = static_cast<std::uint64_t>(thread.tid);
            const auto status = read_status(tid);
            return fail(Error(Code::target_stop_failed, fmt::format("it did not stop within {} s (state {})",
                                                                    kPatience.count(), status ? status->state : '?'))
                            .in_thread(tid));
        }
        if (thread.how.event != Event::ended && !tracing::get_registers(thread.tid, thread.registers))
            thread.how.event = Event::ended;
    }
    return {};
}

Result<StoppedThreads> StoppedThreads::all(std::uint64_t pid) {
    constexpr std::chrono::milliseconds kBetween{1};

    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
        auto stopped = try_all(pid, deadline);
        if (stopped || stopped.error().code() != Code::target_stop_failed ||
            std::chrono::steady_clock::now() >= deadline)
            return stopped;
        std::this_thread::sleep_for(kBetween);
    }
}

Result<StoppedThreads> StoppedThreads::try_all(std::uint64_t pid, tracing::Deadline deadline) {
    /// For another tracer to let go of a new thread while all others stand still.
    constexpr std::chrono::milliseconds kBriefly{1};

    StoppedThreads stopped(pid);
    std::vector<pid_t> known;
    known.reserve(64);
    for (bool found = true; found;) {
        found = false;
        const std::size_t first = stopped.threads_.size();
        for (const pid_t tid : list_threads(pid)) {
            if (std::ranges::binary_search(known, tid))
                continue;
            SUTURE_TRY(const bool attached, stopped.attach(tid, first == 0 ? kPatience : kBriefly));
            if (!attached)
                continue; // ended, or is about to leave the list
            found = true;
        }
        if (first == 0)
            stopped.began_ = std::chrono::steady_clock::now();
        for (std::size_t i = first; i < stopped.threads_.size(); ++i) {
            StoppedThread& thread = stopped.threads_[i];
            known.push_back(thread.tid);
            if (!tracing::interrupt(thread.tid))
                thread.how.event = Event::ended;
        }
        std::ranges::sort(known);
        SUTURE_CHECK(stopped.await(first, deadline));
        if (found && std::chrono::steady_clock::now() >= deadline)
            return fail(Code::target_stop_failed,
                        fmt::format("process {} starts threads faster than they can be stopped", pid));
    }
    const auto has_ended = [](const StoppedThread& thread) { return thread.how.event == Event::ended; };
    for (const StoppedThread& thread : stopped.threads_) {
        if (has_ended(thread))
            tracing::bury(thread.tid);
    }
    std::erase_if(stopped.threads_, has_ended);
    if (stopped.threads_.empty())
        return fail(Code::target_gone, fmt::format("process {} has ended", pid));
    std::ranges::sort(stopped.threads_, {}, &StoppedThread::tid);
    return stopped;
}

Result<StoppedThreads> StoppedThreads::one(std::uint64_t pid, pid_t tid) {
    /// Signals that may come in before the stop that was asked for.
    constexpr int kMaxSignals = 16;

    StoppedThreads stopped(pid);
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    SUTURE_TRY(const bool attached, stopped.attach(tid, std::chrono::milliseconds(0)));
    if (!attached)
        return stopped;
    StoppedThread& thread = stopped.threads_.front();
    for (int i = 0; i < kMaxSignals; ++i) {
        if (!tracing::interrupt(tid))
            thread.how.event = Event::ended;
        SUTURE_CHECK(stopped.await(0, deadline));
        if (thread.how.event != Event::signal || !tracing::resume(tid, thread.how.number))
            break;
        thread.how = {};
    }
    if (thread.how.event != Event::stopped)
        stopped.release();
    return stopped;
}

StoppedThreads StoppedThreads::of(StoppedThread thread) {
    StoppedThreads stopped(static_cast<std::uint64_t>(thread.tid));
    stopped.threads_.push_back(std::move(thread));
    return stopped;
}

bool StoppedThreads::release() {
    std::vector<pid_t> lost;
    for (const StoppedThread& thread : threads_) {
        if (!tracing::detach(thread.tid, thread.how.event == Event::signal ? thread.how.number : 0))
            lost.push_back(thread.tid);
    }
    threads_.clear();
    // A process that was killed cannot end before its threads were taken off the kernel here, the first one last.
    std::ranges::stable_partition(lost, [&](pid_t tid) { return tid != static_cast<pid_t>(pid_); });
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    // Only what stands still can be let go: threads that were never told to stop, since another one refused, too.
    for (const pid_t tid : lost)
        tracing::interrupt(tid);
    for (const pid_t tid : lost) {
        const tracing::Report report = tracing::report(tid, deadline);
        if (report.event == Event::ended)
            tracing::bury(tid);
        else if (report.event != Event::timeout)
            tracing::detach(tid, report.event == Event::signal ? report.number : 0);
    }
    return lost.empty();
}

} // namespace suture::loader
