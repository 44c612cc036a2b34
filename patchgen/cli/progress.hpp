#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace suture::cli {

/// One line on standard error that says what takes so long; only on a terminal, and only from the second second on.
class Progress {
  public:
    explicit Progress(bool wanted);
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    void stage(std::string what);

  private:
    void run(const std::stop_token& stop);

    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::string stage_;
    std::jthread thread_;
};

} // namespace suture::cli
