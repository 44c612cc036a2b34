// Pages that nobody can change, and that processes share.
#include "loader/linux/sealed_pages.hpp"

#include "engine/core/hash.hpp"
#include "loader/linux/calls.hpp"
#include "loader/linux/maps.hpp"
#include "tests/loader/linux/threads_program.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

namespace suture::loader {
namespace {

using target::Backing;
using target::Mapping;
using target::Protection;
using test::kFree;
using test::succeeded;
using test::ThreadsProgram;

MapEntry entry_at(std::uint64_t pid, Va at) {
    const auto maps = read_maps(pid);
    const MapEntry* entry = maps ? find_entry(*maps, at) : nullptr;
    return entry ? *entry : MapEntry{};
}

/// Makes the process itself change the protection of a page; what mprotect returned.
std::int64_t protect(std::uint64_t pid, Va at, int protection) {
    const auto memory = Memory::open(pid);
    const auto maps = read_maps(pid);
    const auto wine = memory && maps ? find_wine_process(*memory, *maps) : fail(Code::target_gone, "");
    if (!wine)
        return 1;
    RemoteCalls calls(*memory, wine->layout);
    const arch::SystemCall call{SYS_mprotect, {at.value, 0x1000, static_cast<std::uint64_t>(protection)}};
    const auto results = calls.make({&call, 1}, nullptr);
    return results ? results->front() : 1;
}

TEST(SealedPages, CannotBeWrittenToByTheProcessThatHasThem) {
    ThreadsProgram program(4);
    const std::vector<Mapping> mappings = {{{kFree, 0x1000}, {1, 2}, Protection::read_execute},
                                           {{kFree + 0x10000, 0x1000}, {3}, Protection::read}};
    ASSERT_TRUE(succeeded(program.target->map(mappings)));
    for (const Mapping& mapping : mappings) {
        EXPECT_EQ(protect(program.target->pid(), mapping.range.begin, PROT_READ | PROT_WRITE), -EACCES);
        EXPECT_EQ(protect(program.target->pid(), mapping.range.begin, PROT_READ | PROT_WRITE | PROT_EXEC), -EACCES);
    }
    const auto memory = Memory::open(program.target->pid());
    ASSERT_TRUE(memory);
    EXPECT_FALSE(memory->write_forced(kFree, Bytes{9}));
    Bytes now(2);
    ASSERT_TRUE(succeeded(program.target->read(kFree, now)));
    EXPECT_EQ(now, (Bytes{1, 2}));
    program.expect_healthy();
}

TEST(SealedPages, OfModulesMayStillBeChangedByTheirProgram) {
    ThreadsProgram program(4);
    const Mapping mapping{{kFree, 0x1000}, {1, 2}, Protection::read_execute, Backing::copy_on_write};
    ASSERT_TRUE(succeeded(program.target->map({&mapping, 1})));
    EXPECT_EQ(protect(program.target->pid(), kFree, PROT_READ | PROT_WRITE), 0);
    EXPECT_EQ(protect(program.target->pid(), kFree, PROT_READ | PROT_EXEC), 0);
    program.expect_healthy();
}

TEST(SealedPages, AreTheSameInProcessesInWhichTheSameLiesAtTheSamePlace) {
    ThreadsProgram first(2);
    ThreadsProgram second(2);
    ThreadsProgram third(2);
    const std::vector<Mapping> same = {{{kFree, 0x2000}, Bytes(0x1800, 0x5a), Protection::read_execute},
                                       {{kFree + 0x10000, 0x1000}, {7}, Protection::read_write}};
    const std::vector<Mapping> other = {{{kFree, 0x2000}, Bytes(0x1800, 0xa5), Protection::read_execute}};
    ASSERT_TRUE(succeeded(first.target->map(same)));
    ASSERT_TRUE(succeeded(second.target->map(same)));
    ASSERT_TRUE(succeeded(third.target->map(other)));
    const MapEntry a = entry_at(first.target->pid(), kFree);
    const MapEntry b = entry_at(second.target->pid(), kFree);
    const MapEntry c = entry_at(third.target->pid(), kFree);
    EXPECT_TRUE(a.path.starts_with(kSealedPrefix)) << a.path;
    EXPECT_TRUE(a.shared && b.shared && c.shared);
    EXPECT_NE(a.inode, c.inode);
    if (::geteuid() == 0) { // others cannot open what is mapped elsewhere
        EXPECT_EQ(a.inode, b.inode);
    }

    // What is writable is each process's own.
    const auto memory = Memory::open(first.target->pid());
    ASSERT_TRUE(memory);
    ASSERT_TRUE(memory->write(kFree + 0x10000, Bytes{8}));
    Bytes value(1);
    ASSERT_TRUE(succeeded(second.target->read(kFree + 0x10000, value)));
    EXPECT_EQ(value.front(), 7);
}

TEST(SealedPages, OfAForgedNameAreNotTaken) {
    ThreadsProgram program(2);
    const Bytes content(0x1000, 0x77);
    const std::string name = "suture-" + digest_of(content).hex();
    // As another process could have it: the right name, the right content, and not sealed.
    const Descriptor forged(::memfd_create(name.c_str(), MFD_CLOEXEC));
    ASSERT_EQ(::write(forged.get(), content.data(), content.size()), static_cast<ssize_t>(content.size()));
    void* mapped = ::mmap(nullptr, content.size(), PROT_READ, MAP_SHARED, forged.get(), 0);
    ASSERT_NE(mapped, MAP_FAILED);
    const Mapping mapping{{kFree, 0x1000}, content, Protection::read_execute};
    ASSERT_TRUE(succeeded(program.target->map({&mapping, 1})));
    struct stat state {};
    ASSERT_EQ(::fstat(forged.get(), &state), 0);
    EXPECT_NE(entry_at(program.target->pid(), kFree).inode, state.st_ino);
    ::munmap(mapped, content.size());
}

TEST(SealedPages, LeaveNoFileOpenInTheProcess) {
    ThreadsProgram program(2, "wait");
    const auto open_files = [&] {
        std::size_t count = 0;
        for (const auto& entry :
             std::filesystem::directory_iterator("/proc/" + std::to_string(program.target->pid()) + "/fd"))
            count += std::filesystem::read_symlink(entry.path()).string().starts_with(kSealedPrefix);
        return count;
    };
    std::vector<Mapping> mappings;
    for (std::uint64_t i = 0; i < 60; ++i)
        mappings.push_back({{kFree + i * 0x2000, 0x1000}, {static_cast<std::uint8_t>(i)}, Protection::read});
    ASSERT_TRUE(succeeded(program.target->map(mappings)));
    EXPECT_EQ(open_files(), 0u);
    program.expect_healthy();
}

} // namespace
} // namespace suture::loader
