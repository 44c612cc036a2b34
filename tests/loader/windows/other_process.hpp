#pragma once

#include "loader/windows/handle.hpp"

#include <cstdint>
#include <string>

namespace suture::test {

/// This program once more, doing nothing but counting, with some threads besides its first, until this object goes.
class OtherProcess {
  public:
    explicit OtherProcess(unsigned threads);
    OtherProcess(const OtherProcess&) = delete;
    OtherProcess& operator=(const OtherProcess&) = delete;
    ~OtherProcess() { end(); }

    DWORD pid() const { return pid_; }
    HANDLE handle() const { return process_.get(); }
    /// True if all of its threads go on counting.
    bool runs() const;
    void end();

  private:
    std::uint64_t slowest() const;

    unsigned threads_;
    loader::Handle section_;
    loader::Handle process_;
    volatile std::uint64_t* counts_ = nullptr;
    DWORD pid_ = 0;
};

/// What main() begins with: does the work of such a process where this one was started as one.
bool become_other_process(int argc, char** argv);

} // namespace suture::test
