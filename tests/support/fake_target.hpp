#pragma once

#include "engine/target/target.hpp"

#include <functional>
#include <map>
#include <set>
#include <vector>

namespace suture::test {

/// A process that exists only in this one: pages with protections, modules, threads at chosen places, time that passes
/// only when waited for. It keeps the promises of target::Target exactly (map and replace are all or nothing, code is
/// written only while stopped), and refuses what a real process would refuse.
class FakeTarget : public target::Target {
  public:
    static constexpr std::uint64_t kPage = 0x1000;

    struct Page {
        Bytes bytes = Bytes(kPage);
        target::Protection protection = target::Protection::read;
        bool sealed = false; ///< nobody can write to it

        bool operator==(const Page&) const = default;
    };

    /// Puts a PE image in its mapped layout into the process, sections with their protections.
    void load_module(std::string name, Va base, const Bytes& mapped, Bytes file = {});
    void unload_module(std::string_view name);
    /// Takes it out of modules() alone.
    void hide_module(std::string_view name) {
        std::erase_if(modules_, [&](const target::Module& module) { return module.name == name; });
    }
    void add_pages(Va at, const Bytes& content, target::Protection protection);

    /// What stop() reports; called at each stop, with its number from 1.
    std::function<std::vector<target::ThreadState>(unsigned)> threads = [](unsigned) {
        return std::vector<target::ThreadState>{};
    };
    /// Called before each operation with its number from 1 and name; an error makes the operation fail, having done
    /// nothing.
    std::function<std::optional<Error>(unsigned, std::string_view)> before_call = [](unsigned, std::string_view) {
        return std::nullopt;
    };

    /// Called after each operation that changes something, as before_call: an error makes it fail, having done it.
    std::function<std::optional<Error>(unsigned, std::string_view)> after_call = [](unsigned, std::string_view) {
        return std::nullopt;
    };
    /// How many of its mappings or ranges map() and unmap() do before they fail; nothing: all of them.
    std::function<std::optional<std::size_t>(unsigned, std::string_view)> cut_off = [](unsigned, std::string_view) {
        return std::nullopt;
    };

    Machine runs = Machine::x64;
    bool can_register_unwind = true;

    /// Ranges of pages that are staged and not put in place.
    const std::multiset<VaRange>& staged() const { return staged_; }
    /// All pages, for comparing before and after.
    const std::map<Va, Page>& pages() const { return pages_; }
    /// Where control-flow guard lets calls lead in pages that map() was told of: by their first page.
    const std::map<Va, std::vector<Va>>& guarded_pages() const { return guarded_pages_; }
    /// What allow_calls() was told of.
    const std::set<Va>& allowed_calls() const { return allowed_calls_; }
    /// Tables that its unwinder knows.
    const std::set<Va>& unwind_tables() const { return unwind_tables_; }
    unsigned stops() const { return stops_; }
    unsigned calls() const { return calls_; }
    bool stopped() const { return stopped_; }
    /// True once something was done that leaves the implementation's own page behind, until leave().
    bool has_workshop() const { return workshop_; }
    /// Unchecked access for arranging a test.
    void poke(Va at, ByteView bytes);
    Bytes peek(Va at, std::uint64_t size) const;

    std::uint64_t pid() const override { return 4711; }
    Machine machine() const override { return runs; }
    std::uint64_t page_size() const override { return kPage; }
    Result<std::vector<target::Module>> modules() override;
    Result<std::vector<target::Region>> regions() override;
    using Target::read;
    Result<void> read(Va at, std::span<std::uint8_t> into) override;
    Result<void> map(std::span<const target::Mapping> mappings) override;
    Result<std::unique_ptr<target::Staged>> stage(std::span<const target::Mapping> mappings) override;
    using Target::replace;
    Result<void> replace(target::Staged& staged) override;
    Result<void> unmap(std::span<const VaRange> ranges) override;
    bool registers_unwind() const override { return can_register_unwind; }
    Result<void> register_unwind(const target::UnwindTable& table) override;
    Result<void> unregister_unwind(Va table) override;
    Result<void> allow_calls(std::span<const Va> targets) override;
    Result<void> leave() override;
    Result<target::Remains> remains() override;
    Result<void> tidy() override;
    Result<std::unique_ptr<target::Stop>> stop() override;
    Result<Bytes> module_file(const target::Module& module) override;
    std::chrono::nanoseconds now() override { return now_; }
    void wait(std::chrono::nanoseconds duration) override { now_ += duration; }

  private:
    class FakeStop;
    struct FakeStaged;

    Result<void> begin(std::string_view operation);
    /// begin() of what needs the implementation's page in the process.
    Result<void> begin_work(std::string_view operation);
    Result<void> end(std::string_view operation) const;
    /// How many of `parts` are done; fewer: it fails then.
    std::size_t parts(std::string_view operation, std::size_t parts) const;
    void put(const target::Mapping& mapping);
    bool all_mapped(VaRange range) const;

    std::map<Va, Page> pages_;
    std::multiset<VaRange> staged_;
    std::set<Va> made_; ///< pages that map() and replace() made
    std::set<Va> unwind_tables_;
    std::map<Va, std::vector<Va>> guarded_pages_;
    std::set<Va> allowed_calls_;
    unsigned alive_ = 0; ///< FakeStaged
    bool workshop_ = false;
    std::vector<target::Module> modules_;
    std::map<std::string, Bytes> files_;
    std::chrono::nanoseconds now_{};
    unsigned stops_ = 0;
    unsigned calls_ = 0;
    bool stopped_ = false;
};

} // namespace suture::test
