#pragma once

#include "engine/target/target.hpp"
#include "loader/linux/calls.hpp"
#include "loader/linux/memory.hpp"
#include "loader/linux/sealed_pages.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace suture::loader {

/// Pages in the staging area and where they belong.
struct StagedPages {
    struct Piece {
        VaRange aside;
        Va place;
    };
    std::vector<Piece> pieces;
    std::size_t put = 0; ///< so many, from the front, are in their places
};

/// Maps, replaces and unmaps pages of a process by calls that it is made to make.
///
/// Pages come from a sealed memfd, which the process opens under this one's /proc/PID/fd. Where that cannot be (a
/// kernel or a rule of the system that forbids it, another mount namespace), they are anonymous ones and filled from
/// outside: the process's own, and writable for it if it changes their protection.
/// `stopped`: the process's threads, where they are stopped already, else null. Errors as target::Target says.
class RemotePages {
  public:
    RemotePages(const Memory& memory, RemoteCalls& calls) : memory_(memory), calls_(calls), source_(memory.pid()) {}

    Result<void> map(std::span<const target::Mapping> mappings, StoppedThreads* stopped);
    Result<StagedPages> stage(std::span<const target::Mapping> mappings, StoppedThreads* stopped);
    Result<void> replace(StagedPages& staged, StoppedThreads* stopped);
    Result<void> unmap(std::span<const VaRange> ranges, StoppedThreads* stopped);
    /// Unmaps what was not put in place. A failure leaves it to the next injector, which finds it.
    void discard(StagedPages& staged, StoppedThreads* stopped);

  private:
    Result<void> check_range(VaRange range) const;
    Result<void> check_mapping(const target::Mapping& mapping) const;
    /// Nothing if the process cannot have sealed pages.
    Result<bool> map_sealed(std::span<const target::Mapping> mappings, StoppedThreads* stopped);
    bool holds(std::span<const target::Mapping> mappings) const;
    Result<bool> try_sealed(std::span<const target::Mapping> mappings, StoppedThreads* stopped);
    Result<void> map_anonymous(std::span<const target::Mapping> mappings, StoppedThreads* stopped);
    /// Pages in the staging area, of whatever kind the process can have, for places that have to be mapped or free.
    enum class Place { mapped, free };
    Result<StagedPages> set_aside(std::span<const target::Mapping> mappings, Place place, StoppedThreads* stopped);
    /// Moves them to places where nothing is yet.
    Result<void> move_to_free_places(StagedPages& staged, StoppedThreads* stopped);

    const Memory& memory_;
    RemoteCalls& calls_;
    SealedPageSource source_;
    bool sealing_ = true;    ///< until it is seen that it does not work
    std::size_t staged_ = 0; ///< StagedPages that are not discarded yet
    Va next_;                ///< in the staging area: free from here on
};

} // namespace suture::loader
