#include "tests/support/fake_target.hpp"

#include "engine/pe/image.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::test {

namespace {

Va page_of(Va at) {
    return Va{at.value & ~(FakeTarget::kPage - 1)};
}

bool aligned(VaRange range) {
    return range.begin.value % FakeTarget::kPage == 0 && range.size % FakeTarget::kPage == 0 && range.size > 0;
}

} // namespace

class FakeTarget::FakeStop : public target::Stop {
  public:
    FakeStop(FakeTarget& target, std::vector<target::ThreadState> threads)
        : target_(target), threads_(std::move(threads)) {
        target_.stopped_ = true;
    }
    ~FakeStop() override { target_.stopped_ = false; }

    std::chrono::nanoseconds began() const override { return began_; }
    std::span<const target::ThreadState> threads() const override { return threads_; }

    Result<void> write_code(Va at, ByteView bytes) override {
        SUTURE_CHECK(target_.begin("write_code"));
        for (Va page = page_of(at); page < at + bytes.size(); page = page + kPage) {
            const auto found = target_.pages_.find(page);
            if (found == target_.pages_.end() || found->second.sealed)
                return fail(Code::target_write_failed, fmt::format("0x{:x}", at.value));
        }
        target_.poke(at, bytes);
        return target_.end("write_code");
    }

    Result<void> resume() override {
        target_.stopped_ = false;
        return target_.begin("resume");
    }

  private:
    FakeTarget& target_;
    std::chrono::nanoseconds began_ = target_.now();
    std::vector<target::ThreadState> threads_;
};

void FakeTarget::load_module(std::string name, Va base, const Bytes& mapped, Bytes file) {
    const pe::Image image = *pe::Image::parse(mapped, pe::Layout::mapped);
    add_pages(base, mapped, target::Protection::read);
    for (const pe::Section& section : image.sections())
        for (std::uint64_t at = 0; at < section.range.size; at += kPage)
            pages_[page_of(base + section.range.begin.value + at)].protection =
                section.executable() ? target::Protection::read_execute
                : section.writable() ? target::Protection::read_write
                                     : target::Protection::read;
    files_[name] = std::move(file);
    modules_.push_back({std::move(name), {base, mapped.size()}, {}});
}

void FakeTarget::unload_module(std::string_view name) {
    const auto module = std::ranges::find(modules_, name, &target::Module::name);
    for (std::uint64_t at = 0; at < module->range.size; at += kPage)
        pages_.erase(module->range.begin + at), made_.erase(module->range.begin + at);
    modules_.erase(module);
}

void FakeTarget::add_pages(Va at, const Bytes& content, target::Protection protection) {
    put({{at, (content.size() + kPage - 1) / kPage * kPage}, content, protection, target::Backing::copy_on_write});
    for (std::uint64_t page = 0; page < content.size(); page += kPage)
        made_.erase(at + page);
}

void FakeTarget::poke(Va at, ByteView bytes) {
    for (std::size_t done = 0; done < bytes.size();) {
        const Va page = page_of(at + done);
        const std::size_t offset = (at + done) - page;
        const std::size_t piece = std::min<std::size_t>(kPage - offset, bytes.size() - done);
        std::copy_n(bytes.data() + done, piece, pages_.at(page).bytes.data() + offset);
        done += piece;
    }
}

Bytes FakeTarget::peek(Va at, std::uint64_t size) const {
    Bytes bytes(static_cast<std::size_t>(size));
    for (std::size_t done = 0; done < bytes.size();) {
        const Va page = page_of(at + done);
        const std::size_t offset = (at + done) - page;
        const std::size_t piece = std::min<std::size_t>(kPage - offset, bytes.size() - done);
        std::copy_n(pages_.at(page).bytes.data() + offset, piece, bytes.data() + done);
        done += piece;
    }
    return bytes;
}

Result<std::vector<target::Module>> FakeTarget::modules() {
    SUTURE_CHECK(begin("modules"));
    return modules_;
}

Result<std::vector<target::Region>> FakeTarget::regions() {
    SUTURE_CHECK(begin("regions"));
    std::vector<target::Region> regions;
    std::optional<target::Protection> last;
    for (const auto& [at, page] : pages_) {
        if (last == page.protection && regions.back().range.end() == at) {
            regions.back().range.size += kPage;
            continue;
        }
        last = page.protection;
        regions.push_back({{at, kPage},
                           true,
                           page.protection == target::Protection::read_write,
                           page.protection == target::Protection::read_execute});
    }
    return regions;
}

Result<void> FakeTarget::read(Va at, std::span<std::uint8_t> into) {
    SUTURE_CHECK(begin("read"));
    if (!all_mapped({at, into.size()}))
        return fail(Code::target_read_failed, fmt::format("{} bytes at 0x{:x}", into.size(), at.value));
    for (std::size_t done = 0; done < into.size();) {
        const Va page = page_of(at + done);
        const std::size_t offset = (at + done) - page;
        const std::size_t piece = std::min<std::size_t>(kPage - offset, into.size() - done);
        std::copy_n(pages_.at(page).bytes.begin() + static_cast<std::ptrdiff_t>(offset), piece,
                    into.begin() + static_cast<std::ptrdiff_t>(done));
        done += piece;
    }
    return {};
}

Result<void> FakeTarget::map(std::span<const target::Mapping> mappings) {
    SUTURE_CHECK(begin_work("map"));
    for (const target::Mapping& mapping : mappings) {
        if (!aligned(mapping.range) || mapping.content.size() > mapping.range.size)
            return fail(Code::target_map_failed, "not whole pages");
        for (std::uint64_t at = 0; at < mapping.range.size; at += kPage)
            if (pages_.contains(mapping.range.begin + at))
                return fail(Code::target_map_failed, fmt::format("0x{:x} is taken", mapping.range.begin.value + at));
    }
    const std::size_t count = parts("map", mappings.size());
    for (const target::Mapping& mapping : mappings.first(count)) {
        put(mapping);
        if (mapping.call_targets)
            guarded_pages_[mapping.range.begin] = *mapping.call_targets;
    }
    if (count < mappings.size())
        return fail(Code::target_map_failed, "cut off");
    return end("map");
}

struct FakeTarget::FakeStaged : target::Staged {
    FakeStaged(FakeTarget& in, std::span<const target::Mapping> pages)
        : target(in), mappings(pages.begin(), pages.end()) {
        if (target.alive_++ == 0)
            target.staged_.clear();
        for (const target::Mapping& mapping : mappings)
            target.staged_.insert(mapping.range);
    }
    ~FakeStaged() override {
        --target.alive_;
        if (put < mappings.size() && !target.begin("discard"))
            return;
        for (std::size_t i = put; i < mappings.size(); ++i)
            target.staged_.erase(target.staged_.find(mappings[i].range));
    }

    FakeTarget& target;
    std::vector<target::Mapping> mappings;
    std::size_t put = 0;
};

Result<std::unique_ptr<target::Staged>> FakeTarget::stage(std::span<const target::Mapping> mappings) {
    SUTURE_CHECK(begin_work("stage"));
    for (const target::Mapping& mapping : mappings)
        if (!aligned(mapping.range) || mapping.content.size() > mapping.range.size)
            return fail(Code::target_map_failed, "not whole pages");
    auto staged = std::make_unique<FakeStaged>(*this, mappings);
    SUTURE_CHECK(end("stage"));
    return staged;
}

Result<void> FakeTarget::replace(target::Staged& staged) {
    auto& pages = dynamic_cast<FakeStaged&>(staged);
    while (pages.put < pages.mappings.size()) {
        const target::Mapping& mapping = pages.mappings[pages.put];
        SUTURE_CHECK(begin_work("replace"));
        if (!all_mapped(mapping.range))
            return fail(Code::target_map_failed, "not mapped");
        put(mapping);
        ++pages.put;
        staged_.erase(staged_.find(mapping.range));
        SUTURE_CHECK(end("replace"));
    }
    return {};
}

Result<void> FakeTarget::unmap(std::span<const VaRange> ranges) {
    SUTURE_CHECK(begin_work("unmap"));
    for (const VaRange& range : ranges)
        if (!aligned(range))
            return fail(Code::target_map_failed, "not whole pages");
    // The process's next walk of a stack would crash.
    for (const VaRange& range : ranges)
        for (const Va table : unwind_tables_)
            if (range.contains(table))
                return fail(Code::target_map_failed, fmt::format("0x{:x} is known to the unwinder", table.value));
    const std::size_t count = parts("unmap", ranges.size());
    for (const VaRange& range : ranges.first(count))
        for (std::uint64_t at = 0; at < range.size; at += kPage) {
            pages_.erase(range.begin + at);
            made_.erase(range.begin + at);
        }
    if (count < ranges.size())
        return fail(Code::target_map_failed, "cut off");
    return end("unmap");
}

Result<void> FakeTarget::register_unwind(const target::UnwindTable& table) {
    SUTURE_CHECK(begin_work("register_unwind"));
    if (stopped_ || table.count == 0 || !all_mapped({table.at, std::uint64_t{table.count} * 12}))
        return fail(Code::unwind_not_registered, fmt::format("0x{:x}", table.at.value));
    unwind_tables_.insert(table.at);
    return end("register_unwind");
}

Result<void> FakeTarget::unregister_unwind(Va table) {
    SUTURE_CHECK(begin_work("unregister_unwind"));
    if (stopped_)
        return fail(Code::unwind_not_registered, "it is stopped");
    unwind_tables_.erase(table);
    return end("unregister_unwind");
}

Result<void> FakeTarget::allow_calls(std::span<const Va> targets) {
    SUTURE_CHECK(begin_work("allow_calls"));
    allowed_calls_.insert(targets.begin(), targets.end());
    return end("allow_calls");
}

Result<void> FakeTarget::leave() {
    SUTURE_CHECK(begin("leave"));
    workshop_ = false;
    staged_.clear();
    return end("leave");
}

Result<target::Remains> FakeTarget::remains() {
    SUTURE_CHECK(begin("remains"));
    target::Remains remains;
    remains.aside.assign(staged_.begin(), staged_.end());
    if (workshop_)
        remains.workshop.push_back({Va{0x1000'0000'0000}, kPage});
    for (const Va page : made_)
        remains.mapped.push_back({page, kPage});
    return remains;
}

Result<void> FakeTarget::tidy() {
    SUTURE_CHECK(begin_work("tidy"));
    staged_.clear();
    return end("tidy");
}

Result<std::unique_ptr<target::Stop>> FakeTarget::stop() {
    SUTURE_CHECK(begin("stop"));
    return std::make_unique<FakeStop>(*this, threads(++stops_));
}

Result<Bytes> FakeTarget::module_file(const target::Module& module) {
    const auto file = files_.find(module.name);
    if (file == files_.end() || file->second.empty())
        return Target::module_file(module);
    return file->second;
}

Result<void> FakeTarget::begin(std::string_view operation) {
    now_ += std::chrono::microseconds(1);
    if (auto error = before_call(++calls_, operation))
        return std::unexpected(std::move(*error));
    return {};
}

Result<void> FakeTarget::begin_work(std::string_view operation) {
    SUTURE_CHECK(begin(operation));
    workshop_ = true;
    return {};
}

Result<void> FakeTarget::end(std::string_view operation) const {
    if (auto error = after_call(calls_, operation))
        return std::unexpected(std::move(*error));
    return {};
}

std::size_t FakeTarget::parts(std::string_view operation, std::size_t parts) const {
    return std::min(cut_off(calls_, operation).value_or(parts), parts);
}

void FakeTarget::put(const target::Mapping& mapping) {
    for (std::uint64_t at = 0; at < mapping.range.size; at += kPage) {
        Page page;
        page.protection = mapping.protection;
        page.sealed =
            mapping.backing == target::Backing::sealed && mapping.protection != target::Protection::read_write;
        if (at < mapping.content.size())
            std::copy_n(mapping.content.begin() + static_cast<std::ptrdiff_t>(at),
                        std::min<std::size_t>(kPage, mapping.content.size() - at), page.bytes.begin());
        pages_[mapping.range.begin + at] = std::move(page);
        made_.insert(mapping.range.begin + at);
    }
}

bool FakeTarget::all_mapped(VaRange range) const {
    for (Va at = page_of(range.begin); at < range.end(); at = at + kPage)
        if (!pages_.contains(at))
            return false;
    return true;
}

} // namespace suture::test
