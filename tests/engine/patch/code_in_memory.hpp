#pragma once

#include "engine/patch/stack_walk.hpp"
#include "tests/support/pe_builder.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace suture::test {

/// A process that has memory and modules, and nothing else: what a stack walk asks of one.
class CodeInMemory : public target::Target {
  public:
    std::vector<target::Module> loaded;
    std::map<std::uint64_t, Bytes> memory;
    bool gone = false;
    Machine runs = Machine::x64;
    std::size_t reads = 0;

    void load(std::string name, Va base, Bytes image) {
        loaded.push_back({std::move(name), {base, image.size()}, ""});
        memory[base.value] = std::move(image);
    }

    std::uint64_t pid() const override { return 1; }
    Machine machine() const override { return runs; }
    std::uint64_t page_size() const override { return 4096; }
    Result<std::vector<target::Module>> modules() override { return loaded; }
    Result<std::vector<target::Region>> regions() override { return std::vector<target::Region>{}; }
    using Target::read;
    Result<void> read(Va at, std::span<std::uint8_t> into) override {
        ++reads;
        if (gone)
            return fail(Code::target_gone, "");
        auto block = memory.upper_bound(at.value);
        if (block == memory.begin())
            return fail(Code::target_read_failed, "");
        --block;
        const auto bytes = ByteView(block->second).slice(at.value - block->first, into.size());
        if (!bytes)
            return fail(Code::target_read_failed, "");
        std::ranges::copy(*bytes, into.begin());
        return {};
    }
    Result<void> map(std::span<const target::Mapping>) override { return fail(Code::target_map_failed, ""); }
    Result<std::unique_ptr<target::Staged>> stage(std::span<const target::Mapping>) override {
        return fail(Code::target_map_failed, "");
    }
    Result<void> replace(target::Staged&) override { return fail(Code::target_map_failed, ""); }
    Result<void> unmap(std::span<const VaRange>) override { return fail(Code::target_map_failed, ""); }
    Result<std::unique_ptr<target::Stop>> stop() override { return fail(Code::target_stop_failed, ""); }
    std::chrono::nanoseconds now() override { return {}; }
    void wait(std::chrono::nanoseconds) override {}
};

/// UNWIND_INFO as assemblers write it.
struct Unwind {
    std::uint8_t prolog_size = 0;
    std::vector<std::uint16_t> slots{};
    std::uint8_t frame_register = 0;
    std::uint8_t frame_offset = 0; ///< in units of 16 bytes
    std::uint8_t version = 1;
    int chained_to = -1; ///< index of a function added before

    Unwind& op(int offset, int operation, int info, std::vector<std::uint16_t> operands = {}) {
        slots.push_back(static_cast<std::uint16_t>(offset | operation << 8 | info << 12));
        slots.insert(slots.end(), operands.begin(), operands.end());
        return *this;
    }
};

/// An image of functions, at most a page of code; each begins at a multiple of 16 after the one before, CC between.
class CodeBuilder {
  public:
    static constexpr std::uint32_t kText = 0x1000;

    /// Where the function begins.
    Rva add(Bytes code, std::optional<Unwind> unwind = std::nullopt) {
        text_.resize((text_.size() + 15) / 16 * 16, 0xcc);
        return add_adjacent(std::move(code), std::move(unwind));
    }

    /// Directly behind the one before.
    Rva add_adjacent(Bytes code, std::optional<Unwind> unwind = std::nullopt) {
        const Rva begin{kText + static_cast<std::uint32_t>(text_.size())};
        text_.insert(text_.end(), code.begin(), code.end());
        if (unwind)
            entries_.push_back({{begin, static_cast<std::uint32_t>(code.size())}, std::move(*unwind)});
        return begin;
    }

    /// "RtlUserThreadStart" and the like.
    void name(std::string text, Rva rva) { exports_.push_back({std::move(text), rva, ""}); }
    int last() const { return static_cast<int>(entries_.size()) - 1; }

    Bytes image() const {
        PeBuilder pe;
        pe.section(".text", PeBuilder::kCode, text_);
        Bytes xdata;
        std::vector<pe::raw::RuntimeFunctionX64> functions;
        const Rva xdata_at = pe.rva_of_next();
        for (const auto& [range, unwind] : entries_) {
            align(xdata, 4);
            functions.push_back({range.begin.value, static_cast<std::uint32_t>(range.end()),
                                 xdata_at.value + static_cast<std::uint32_t>(xdata.size())});
            append(xdata, static_cast<std::uint8_t>(unwind.version | (unwind.chained_to >= 0 ? 4 << 3 : 0)));
            append(xdata, unwind.prolog_size);
            append(xdata, static_cast<std::uint8_t>(unwind.slots.size()));
            append(xdata, static_cast<std::uint8_t>(unwind.frame_register | unwind.frame_offset << 4));
            for (const std::uint16_t slot : unwind.slots)
                append(xdata, slot);
            align(xdata, 4);
            if (unwind.chained_to >= 0)
                append(xdata, functions[static_cast<std::size_t>(unwind.chained_to)]);
        }
        if (xdata.empty())
            xdata.resize(4);
        pe.section(".xdata", PeBuilder::kReadOnly, xdata);
        pe.runtime_functions(functions);
        if (!exports_.empty())
            pe.exports("ntdll.dll", exports_);
        Bytes bytes = pe.mapped();
        align(bytes, PeBuilder::kPage);
        return bytes;
    }

  private:
    Bytes text_;
    std::vector<std::pair<RvaRange, Unwind>> entries_;
    std::vector<BuiltExport> exports_;
};

} // namespace suture::test
