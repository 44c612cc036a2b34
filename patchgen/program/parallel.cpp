#include "patchgen/program/parallel.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#ifdef __linux__
#include <sched.h>
#endif

namespace suture::program {

namespace {

/// More threads wait for memory rather than work.
constexpr unsigned kMostThreads = 8;

} // namespace

unsigned usable_processors() {
#ifdef __linux__
    // std::thread::hardware_concurrency() counts those that the process may not run on, too.
    cpu_set_t set;
    CPU_ZERO(&set);
    if (::sched_getaffinity(0, sizeof set, &set) == 0)
        return static_cast<unsigned>(CPU_COUNT(&set));
#endif
    return std::thread::hardware_concurrency();
}

unsigned most_threads() {
    static const unsigned threads = std::clamp(usable_processors(), 1u, kMostThreads);
    return threads;
}

/// Threads that run what others share: they begin with the first of that, and end with the process.
class Crew {
  public:
    static Crew& instance() {
        static Crew crew;
        return crew;
    }

    void offer(SharedWork& work) {
        {
            const std::lock_guard lock(mutex_);
            open_.push_back(&work);
            while (threads_.size() + 1 < most_threads())
                threads_.emplace_back([this](std::stop_token stop) { serve(stop); });
        }
        offered_.notify_all();
    }

    /// Nobody begins with it any more; returns when nobody is at it.
    void withdraw(SharedWork& work) {
        std::unique_lock lock(mutex_);
        std::erase(open_, &work);
        left_.wait(lock, [&] { return work.running_ == 0; });
    }

  private:
    void serve(const std::stop_token& stop) {
        std::unique_lock lock(mutex_);
        while (offered_.wait(lock, stop, [&] { return !open_.empty(); })) {
            SharedWork& work = *open_.front();
            ++work.running_;
            lock.unlock();
            work.run_once();
            lock.lock();
            // One thread finds nothing left: then there is nothing for others either.
            std::erase(open_, &work);
            if (--work.running_ == 0)
                left_.notify_all();
        }
    }

    std::mutex mutex_;
    std::condition_variable_any offered_;
    std::condition_variable left_;
    std::deque<SharedWork*> open_;
    std::vector<std::jthread> threads_; ///< last: they use the rest
};

SharedWork::SharedWork(std::function<void()> run) : run_(std::move(run)) {
    Crew::instance().offer(*this);
}

SharedWork::~SharedWork() {
    wait();
}

void SharedWork::finish() {
    run_once();
    wait();
    if (failure_)
        std::rethrow_exception(failure_);
}

void SharedWork::wait() {
    Crew::instance().withdraw(*this);
}

void SharedWork::run_once() noexcept {
    try {
        run_();
    } catch (...) {
        if (!failed_.exchange(true))
            failure_ = std::current_exception();
    }
}

} // namespace suture::program
