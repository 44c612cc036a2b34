#pragma once

#include "engine/patch/unwinder.hpp"
#include "engine/target/target.hpp"

#include <optional>
#include <span>
#include <vector>

namespace suture::patch {

/// Largest part of a stack in use that is looked at, in bytes: the default reserve is 1 MiB. A thread that uses more is
/// reported as unexamined.
inline constexpr std::uint64_t kMaxLiveStack = std::uint64_t{8} << 20;

/// Copies of the stacks of stopped threads, many at a time: all threads wait for them.
class LiveStacks {
  public:
    /// What most processes need is made ready here, before threads wait.
    explicit LiveStacks(target::Target& target) : target_(target), buffer_(std::size_t{256} << 10) {}

    /// The parts in use of the stacks of the first threads, at least of one; nothing for a stack that is too large or
    /// cannot be read. Good until the next call. Errors: those of the target but target_read_failed.
    Result<std::span<const std::optional<StackView>>> read(std::span<const target::ThreadState> threads);

  private:
    target::Target& target_;
    Bytes buffer_;
    std::vector<std::optional<StackView>> views_;
};

} // namespace suture::patch
