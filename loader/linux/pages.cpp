#include "loader/linux/pages.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace suture::loader {

using arch::SystemCall;

namespace {

int protection_of(target::Protection protection) {
    switch (protection) {
    case target::Protection::read_write:
        return PROT_READ | PROT_WRITE;
    case target::Protection::read_execute:
        return PROT_READ | PROT_EXEC;
    case target::Protection::read:
        break;
    }
    return PROT_READ;
}

SystemCall map_call(const target::Mapping& mapping, int flags) {
    return {SYS_mmap,
            {mapping.range.begin.value, mapping.range.size,
             static_cast<std::uint64_t>(protection_of(mapping.protection)),
             static_cast<std::uint64_t>(flags | MAP_FIXED_NOREPLACE), ~std::uint64_t{0}, 0}};
}

std::string describe(VaRange range) {
    return fmt::format("0x{:x} to 0x{:x}", range.begin.value, range.end().value);
}

std::unexpected<Error> call_failure(std::string_view what, VaRange range, std::int64_t result) {
    return fail(Code::target_map_failed,
                fmt::format("{} of {}: {}", what, describe(range), std::strerror(static_cast<int>(-result))));
}

/// What mmap made of each mapping: the first failure, and the pages that are there now.
Result<void> check_mapped(std::span<const target::Mapping> mappings, std::span<const std::int64_t> results,
                          std::vector<VaRange>& made) {
    Result<void> outcome;
    for (std::size_t i = 0; i < mappings.size(); ++i) {
        const VaRange wanted = mappings[i].range;
        if (results[i] == static_cast<std::int64_t>(wanted.begin.value)) {
            made.push_back(wanted);
        } else if (results[i] < 0) {
            outcome = call_failure("mmap", wanted, results[i]);
        } else { // a kernel before 4.17 takes the address for a wish
            made.push_back({Va{static_cast<std::uint64_t>(results[i])}, wanted.size});
            outcome = fail(Code::target_map_failed, fmt::format("{} are in use", describe(wanted)));
        }
    }
    return outcome;
}

/// True if the process may not use what it was offered, so that it should get other pages.
bool forbidden(std::int64_t result) {
    return result == -EACCES || result == -EPERM || result == -ENOENT || result == -EBADF || result == -ELOOP ||
           result == -EMFILE || result == -ENFILE || result == -ENOSYS;
}

} // namespace

Result<void> RemotePages::check_range(VaRange range) const {
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    if (range.size == 0 || range.begin.value % page != 0 || range.size % page != 0 || range.end() < range.begin)
        return fail(Code::target_map_failed, fmt::format("{} are not whole pages", describe(range)));
    return {};
}

Result<void> RemotePages::check_mapping(const target::Mapping& mapping) const {
    SUTURE_CHECK(check_range(mapping.range));
    if (mapping.content.size() > mapping.range.size)
        return fail(Code::target_map_failed,
                    fmt::format("{} bytes do not fit into {}", mapping.content.size(), describe(mapping.range)));
    return {};
}

Result<void> RemotePages::map(std::span<const target::Mapping> mappings, StoppedThreads* stopped) {
    for (const target::Mapping& mapping : mappings)
        SUTURE_CHECK(check_mapping(mapping));
    if (mappings.empty())
        return {};
    SUTURE_TRY(const bool sealed, try_sealed(mappings, stopped));
    if (sealed)
        return {};
    // Filled aside: an injector that dies leaves them in their places with their content, or not at all.
    SUTURE_TRY(StagedPages staged, set_aside(mappings, Place::free, stopped));
    auto moved = move_to_free_places(staged, stopped);
    discard(staged, stopped);
    return moved;
}

Result<bool> RemotePages::try_sealed(std::span<const target::Mapping> mappings, StoppedThreads* stopped) {
    if (!sealing_)
        return false;
    SUTURE_TRY(sealing_, map_sealed(mappings, stopped));
    if (!sealing_)
        spdlog::debug("process {} cannot be given sealed pages and gets pages of its own", memory_.pid());
    return sealing_;
}

Result<bool> RemotePages::map_sealed(std::span<const target::Mapping> mappings, StoppedThreads* stopped) {
    /// Of one memfd, so that what belongs to it is one batch.
    constexpr std::size_t kMappings = RemoteCalls::kMaxCalls - 2;

    std::vector<VaRange> made;
    const auto undo = [&] { static_cast<void>(unmap(made, stopped)); };
    while (!mappings.empty()) {
        const auto some = mappings.first(std::min(kMappings, mappings.size()));
        mappings = mappings.subspan(some.size());
        Bytes content;
        for (const target::Mapping& mapping : some) {
            content.insert(content.end(), mapping.content.begin(), mapping.content.end());
            content.resize(content.size() + (mapping.range.size - mapping.content.size()));
        }
        const auto pages = source_.pages(content);
        if (!pages) {
            undo();
            return false;
        }
        const std::string path = pages->path();
        std::vector<SystemCall> calls{
            {SYS_openat, {static_cast<std::uint64_t>(AT_FDCWD), 0, O_RDONLY | O_CLOEXEC}, {}, path}};
        std::uint64_t offset = 0;
        for (const target::Mapping& mapping : some) {
            const bool own = mapping.protection == target::Protection::read_write ||
                             mapping.backing == target::Backing::copy_on_write;
            SystemCall call = map_call(mapping, own ? MAP_PRIVATE : MAP_SHARED);
            call.arguments[5] = offset;
            call.takes = {4, calls.size()};
            calls.push_back(call);
            offset += mapping.range.size;
        }
        calls.push_back({SYS_close, {}, {0, calls.size()}});
        auto results = calls_.make(calls, stopped);
        if (!results) {
            undo();
            return std::unexpected(std::move(results).error());
        }
        const auto mapped = std::span(*results).subspan(1, some.size());
        const auto outcome = check_mapped(some, mapped, made);
        if (results->front() < 0 || std::ranges::any_of(mapped, forbidden)) {
            undo();
            return false;
        }
        if (!outcome) {
            undo();
            return std::unexpected(outcome.error());
        }
        // In a namespace of its own the process may know something else by that path.
        if (!holds(some)) {
            undo();
            return false;
        }
    }
    return true;
}

bool RemotePages::holds(std::span<const target::Mapping> mappings) const {
    return std::ranges::all_of(mappings, [&](const target::Mapping& mapping) {
        Bytes found(mapping.content.size());
        return memory_.read(mapping.range.begin, found) && found == mapping.content;
    });
}

Result<void> RemotePages::map_anonymous(std::span<const target::Mapping> mappings, StoppedThreads* stopped) {
    std::vector<SystemCall> calls;
    for (const target::Mapping& mapping : mappings)
        calls.push_back(map_call(mapping, MAP_PRIVATE | MAP_ANONYMOUS));
    SUTURE_TRY(const auto results, calls_.make(calls, stopped));
    std::vector<VaRange> made;
    Result<void> outcome = check_mapped(mappings, results, made);
    for (std::size_t i = 0; i < mappings.size() && outcome; ++i) {
        const target::Mapping& mapping = mappings[i];
        if (mapping.content.empty() || memory_.write_forced(mapping.range.begin, mapping.content))
            continue;
        outcome = memory_.check_alive();
        if (outcome)
            outcome = fail(Code::target_map_failed, fmt::format("{} bytes cannot be written to 0x{:x}",
                                                                mapping.content.size(), mapping.range.begin.value));
    }
    if (!outcome)
        static_cast<void>(unmap(made, stopped));
    return outcome;
}

Result<void> RemotePages::move_to_free_places(StagedPages& staged, StoppedThreads* stopped) {
    std::vector<SystemCall> calls;
    for (const auto& [aside, place] : staged.pieces) {
        calls.push_back({SYS_mmap,
                         {place.value, aside.size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
                          ~std::uint64_t{0}, 0}});
        // To where the place was reserved; an error there is no address.
        SystemCall move{SYS_mremap, {aside.begin.value, aside.size, aside.size, MREMAP_MAYMOVE | MREMAP_FIXED, 0}};
        move.takes = {4, 1};
        calls.push_back(move);
    }
    static_assert(RemoteCalls::kMaxCalls % 2 == 0, "a batch does not part what belongs together");
    SUTURE_TRY(const auto results, calls_.make(calls, stopped));
    std::vector<VaRange> made;
    Result<void> outcome;
    for (std::size_t i = 0; i < staged.pieces.size(); ++i) {
        const auto& [aside, place] = staged.pieces[i];
        const VaRange wanted{place, aside.size};
        const std::int64_t reserved = results[2 * i];
        const std::int64_t moved = results[2 * i + 1];
        if (reserved >= 0)
            made.push_back({Va{static_cast<std::uint64_t>(reserved)}, aside.size});
        if (reserved < 0)
            outcome = call_failure("mmap", wanted, reserved);
        else if (reserved != static_cast<std::int64_t>(place.value)) // a kernel before 4.17 takes it for a wish
            outcome = fail(Code::target_map_failed, fmt::format("{} are in use", describe(wanted)));
        else if (moved != reserved)
            outcome = call_failure("mremap", wanted, moved);
    }
    if (outcome)
        staged.put = staged.pieces.size();
    else
        static_cast<void>(unmap(made, stopped));
    return outcome;
}

Result<StagedPages> RemotePages::stage(std::span<const target::Mapping> mappings, StoppedThreads* stopped) {
    for (const target::Mapping& mapping : mappings)
        SUTURE_CHECK(check_mapping(mapping));
    return set_aside(mappings, Place::mapped, stopped);
}

Result<StagedPages> RemotePages::set_aside(std::span<const target::Mapping> mappings, Place place,
                                           StoppedThreads* stopped) {
    std::uint64_t size = 0;
    for (const target::Mapping& mapping : mappings)
        size += mapping.range.size;
    SUTURE_TRY(const VaRange area, calls_.staging(staged_ == 0, stopped));
    if (staged_ == 0)
        next_ = area.begin;
    if (size > area.end() - next_)
        return fail(Code::target_map_failed, fmt::format("there is no room to prepare {} bytes", size));
    for (const target::Mapping& mapping : mappings)
        for (Va page = mapping.range.begin; place == Place::mapped && page < mapping.range.end();) {
            const MapEntry* entry = find_entry(calls_.maps(), page);
            if (!entry)
                return fail(Code::target_map_failed,
                            fmt::format("0x{:x} of {} is not mapped", page.value, describe(mapping.range)));
            page = entry->range.end();
        }
    StagedPages staged;
    std::vector<target::Mapping> aside(mappings.begin(), mappings.end());
    Va at = next_;
    for (target::Mapping& mapping : aside) {
        staged.pieces.push_back({{at, mapping.range.size}, mapping.range.begin});
        mapping.range.begin = at;
        at = at + mapping.range.size;
    }
    SUTURE_TRY(const bool sealed, try_sealed(aside, stopped));
    if (!sealed)
        SUTURE_CHECK(map_anonymous(aside, stopped));
    next_ = at;
    ++staged_;
    return staged;
}

Result<void> RemotePages::replace(StagedPages& staged, StoppedThreads* stopped) {
    std::vector<SystemCall> calls;
    for (std::size_t i = staged.put; i < staged.pieces.size(); ++i) {
        const auto& [aside, place] = staged.pieces[i];
        calls.push_back(
            {SYS_mremap, {aside.begin.value, aside.size, aside.size, MREMAP_MAYMOVE | MREMAP_FIXED, place.value}});
    }
    SUTURE_TRY(const auto results, calls_.make(calls, stopped));
    for (const std::int64_t result : results) {
        const auto& [aside, place] = staged.pieces[staged.put];
        if (result != static_cast<std::int64_t>(place.value))
            return call_failure("mremap", {place, aside.size}, result);
        ++staged.put;
    }
    return {};
}

Result<void> RemotePages::unmap(std::span<const VaRange> ranges, StoppedThreads* stopped) {
    if (ranges.empty())
        return {};
    std::vector<SystemCall> calls;
    for (const VaRange& range : ranges) {
        SUTURE_CHECK(check_range(range));
        calls.push_back({SYS_munmap, {range.begin.value, range.size}});
    }
    SUTURE_TRY(const auto results, calls_.make(calls, stopped));
    for (std::size_t i = 0; i < results.size(); ++i) {
        if (results[i] != 0)
            return call_failure("munmap", ranges[i], results[i]);
    }
    return {};
}

void RemotePages::discard(StagedPages& staged, StoppedThreads* stopped) {
    std::vector<VaRange> ranges;
    for (std::size_t i = staged.put; i < staged.pieces.size(); ++i)
        ranges.push_back(staged.pieces[i].aside);
    static_cast<void>(unmap(ranges, stopped));
    staged.pieces.clear();
    staged.put = 0;
    --staged_;
}

} // namespace suture::loader
