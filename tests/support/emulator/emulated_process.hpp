#pragma once

#include "engine/pe/image.hpp"
#include "engine/target/target.hpp"
#include "tests/support/emulator/processor.hpp"

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace suture::test {

/// What one call did, as far as a caller can tell.
struct Call {
    std::uint64_t result = 0;
    Bytes buffer;
    std::vector<std::uint64_t> preserved; ///< registers that belong to the caller, general and vector ones
    std::vector<std::string> out;         ///< calls of other DLLs, those of host.dll with arguments
    std::string error;                    ///< of the emulator; empty where the call returned

    bool operator==(const Call&) const = default;
};

/// A process in an emulator, with one thread at most: images are loaded into it, packages are applied to it by the
/// engine as to any other process, and its functions are called, as a whole or some instructions at a time. DLLs that
/// images import from are made up: the test answers for their functions.
class EmulatedProcess : public target::Target {
  public:
    static constexpr Va kBase{0x7ff612340000};
    static constexpr std::uint64_t kPage = 0x1000;
    static constexpr std::size_t kBuffer = 256;
    static constexpr Va kBufferAt{0x20000000};

    explicit EmulatedProcess(Machine machine);
    ~EmulatedProcess() override;
    EmulatedProcess(const EmulatedProcess&) = delete;
    EmulatedProcess& operator=(const EmulatedProcess&) = delete;

    /// Makes up what `file` imports, so that it, or a package for it, finds it.
    void provide(ByteView file);
    /// Loads an image as the system does: relocated, with its imports bound to what is provided then.
    void load(std::string name, ByteView file, Va base = kBase);

    /// Calls the function at `function` with a buffer and two numbers.
    Call call(Va function, const Bytes& buffer, std::uint64_t a, std::uint64_t b);
    /// The same in pieces: begin_call(), run() until it is true, end_call(). In between there is a thread.
    void begin_call(Va function, const Bytes& buffer, std::uint64_t a, std::uint64_t b);
    /// Lets the thread run, `instructions` at most where that is not 0. True if the call has ended, well or not.
    bool run(std::uint64_t instructions = 0);
    Call end_call();
    bool in_call() const { return in_call_; }
    /// The thread's registers; of meaning in a call.
    target::ThreadState thread() const;
    /// Where a call ends: the return address of the outermost function called.
    Va bottom() const { return bottom_; }

    /// From now on told before each instruction, wherever it lies. From then on return addresses are signed too: the
    /// emulator takes such instructions for hints, so this puts something above the address where they would.
    void watch(std::function<void(Va)> on_instruction);
    /// Instructions that were executed since, outside of the images that were loaded.
    const std::set<std::uint64_t>& executed_outside() const { return executed_outside_; }
    Bytes peek(Va at, std::uint64_t size) const;
    void poke(Va at, ByteView bytes);
    /// All that is mapped but the thread's own memory.
    std::map<Va, std::pair<target::Protection, Bytes>> memory() const;

    std::uint64_t pid() const override { return 4712; }
    Machine machine() const override { return machine_; }
    std::uint64_t page_size() const override { return kPage; }
    Result<std::vector<target::Module>> modules() override { return modules_; }
    Result<std::vector<target::Region>> regions() override;
    using Target::read;
    Result<void> read(Va at, std::span<std::uint8_t> into) override;
    Result<void> map(std::span<const target::Mapping> mappings) override;
    Result<std::unique_ptr<target::Staged>> stage(std::span<const target::Mapping> mappings) override;
    using Target::replace;
    Result<void> replace(target::Staged& staged) override;
    Result<void> unmap(std::span<const VaRange> ranges) override;
    Result<target::Remains> remains() override;
    Result<std::unique_ptr<target::Stop>> stop() override;
    Result<Bytes> module_file(const target::Module& module) override;
    std::chrono::nanoseconds now() override { return now_ += std::chrono::microseconds(1); }
    /// The thread runs on, an instruction for each microsecond.
    void wait(std::chrono::nanoseconds duration) override;

  private:
    class EmulatedStop;
    struct EmulatedPages;

    static void on_host(uc_struct* uc, std::uint64_t at, std::uint32_t size, void* user);
    static void on_outside(uc_struct* uc, std::uint64_t at, std::uint32_t size, void* user);
    static void on_watched(uc_struct* uc, std::uint64_t at, std::uint32_t size, void* user);
    void add_hook(VaRange range, void (*function)(uc_struct*, std::uint64_t, std::uint32_t, void*));
    void map_pages(VaRange range, target::Protection protection);
    void map_image(std::string name, Va base, const Bytes& mapped, Bytes file);
    void make_host_modules();
    bool all_mapped(VaRange range) const;
    std::uint64_t get(int id) const;
    void set(int id, std::uint64_t value);
    void answer(Va at);
    void sign(Va at);
    void expect_ok(int error, std::string_view what) const;

    Machine machine_;
    const Processor& processor_;
    uc_struct* uc_ = nullptr;
    std::map<Va, target::Protection> pages_;
    std::set<Va> made_; ///< pages of map()
    std::vector<target::Module> modules_;
    std::map<std::string, Bytes> files_;
    std::map<std::string, std::set<std::string>> wanted_; ///< functions of other DLLs
    std::map<std::pair<std::string, std::string>, Va> hosted_;
    std::map<Va, std::string> names_; ///< of hosted_
    Va bottom_, start_;
    std::chrono::nanoseconds now_{};
    bool in_call_ = false;
    Call current_;
    std::function<void(Va)> on_instruction_;
    bool signs_ = false; ///< the instruction before signs x30
    std::set<std::uint64_t> executed_outside_;
};

} // namespace suture::test
