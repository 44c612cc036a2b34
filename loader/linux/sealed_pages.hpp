#pragma once

#include "engine/core/byte_view.hpp"
#include "loader/linux/memory.hpp"

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace suture::loader {

/// Pages of which nobody can change a byte any more: a sealed memfd (memfd_create(2)), named after what it holds.
class SealedPages {
  public:
    SealedPages(Descriptor file, pid_t holder, Descriptor holder_life);
    SealedPages(SealedPages&& other) noexcept;
    SealedPages& operator=(SealedPages&&) = delete;
    ~SealedPages();

    /// By which the process that they were made for opens them, as long as this exists.
    std::string path() const;

  private:
    Descriptor file_;
    pid_t holder_;           ///< the process under whose name they are opened; not this one if it had to be another's
    Descriptor holder_life_; ///< closing it ends that process
};

/// Makes sealed pages for one process. Processes in which the same lies at the same addresses get the same pages: they
/// are found in those that have them already, where this user may open what others have mapped
/// (CAP_CHECKPOINT_RESTORE).
class SealedPageSource {
  public:
    explicit SealedPageSource(std::uint64_t pid) : pid_(pid) {}

    /// `content`: whole pages. Nothing where the kernel does not do it.
    std::optional<SealedPages> pages(ByteView content);

  private:
    Descriptor find(const std::string& name, ByteView content);
    Descriptor find_in(std::uint64_t pid, const std::string& name, ByteView content) const;

    std::uint64_t pid_;
    std::uint64_t donor_ = 0; ///< a process that had pages which were looked for
    bool searched_ = false;   ///< all processes were looked at
};

/// How the path of a mapping of such pages begins in /proc/PID/maps.
inline constexpr std::string_view kSealedPrefix = "/memfd:suture-";

} // namespace suture::loader
