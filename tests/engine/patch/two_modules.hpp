#pragma once

#include "engine/package/reader.hpp"
#include "engine/package/writer.hpp"
#include "engine/patch/status.hpp"
#include "engine/patch/transaction.hpp"
#include "tests/support/fake_target.hpp"
#include "tests/support/pe_builder.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>

namespace suture::patch::test {

using suture::test::FakeTarget;
using suture::test::PeBuilder;

/// A module of a made-up process with a function for each way to put a site in place, and packages for it.
///
///     0x1010  padded    mov eax, 1 ; ret                 (5 bytes of fill before it)
///     0x1020  prologue  push rbx ; sub rsp, 32 ; mov eax, 2 ; add rsp, 32 ; pop rbx ; ret
///     0x1040  other     mov eax, 3 ; ret                 (never replaced)
///     0x1ffd  across    as prologue; its site lies in two pages
class PatchedModule {
  public:
    static constexpr Rva kPadded{0x1010};
    static constexpr Rva kPrologue{0x1020};
    static constexpr Rva kOther{0x1040};
    static constexpr Rva kAcross{0x1ffd};
    static constexpr Rva kGlobal = package::kFirstSection + 0x2000;
    static constexpr std::array kReplaced = {kPadded, kPrologue, kAcross};

    PatchedModule(std::string name, Va base) : name_(std::move(name)), base_(base) {
        Bytes code(0x1020, 0xcc);
        const auto put = [&](Rva rva, std::initializer_list<std::uint8_t> bytes) {
            std::ranges::copy(bytes, code.begin() + static_cast<std::ptrdiff_t>(rva.value - 0x1000));
        };
        put(kPadded, {0xb8, 1, 0, 0, 0, 0xc3});
        for (const Rva function : {kPrologue, kAcross})
            put(function, {0x53, 0x48, 0x83, 0xec, 0x20, 0xb8, 2, 0, 0, 0, 0x48, 0x83, 0xc4, 0x20, 0x5b, 0xc3});
        put(kOther, {0xb8, 3, 0, 0, 0, 0xc3});
        image_.section(".text", PeBuilder::kCode, code);
        image_.section(".data", PeBuilder::kData, Bytes(16, 0x11));
    }

    void load(FakeTarget& target) const { target.load_module(name_, base_, image_.mapped(base_.value), image_.file()); }
    const std::string& name() const { return name_; }
    Va base() const { return base_; }
    Va at(Rva rva) const { return base_ + rva.value; }

    /// `across` is left out where it is not wanted. New code is `mov eax, 100 + sequence ; ret`; there is a page of new
    /// globals. With a handler, exceptions in the first function go to the second.
    Bytes package(std::uint32_t sequence, bool with_across, bool with_handler = false) const {
        const Bytes file = image_.file();
        const pe::Image image = *pe::Image::parse(file, pe::Layout::file);
        package::Contents contents;
        package::Manifest& manifest = contents.manifest;
        manifest.id = fmt::format("fix {} of {}", sequence, name_);
        manifest.sequence = sequence;
        manifest.module = name_;
        manifest.baseline = *pe::header_identity_of(image);
        manifest.sections = *pe::section_identities_of(image, *pe::masked_fields_of(image));
        Bytes code(0x30, 0xcc);
        for (const std::size_t at : {0x00uz, 0x10uz, 0x20uz})
            std::ranges::copy(new_code(sequence), code.begin() + static_cast<std::ptrdiff_t>(at));
        contents.sections = {{".text", package::kFirstSection, code, 0x30},
                             {".rdata", package::kFirstSection + 0x1000, {1, 0, 0, 0}, 4}, // UNWIND_INFO of a leaf
                             {".data", kGlobal, Bytes(8, 0x22), 16}};
        if (with_handler) {
            constexpr std::uint8_t kVersionAndHandler = 1 | 1 << 3;
            Bytes info(12, 0);
            info[0] = kVersionAndHandler;
            const std::uint32_t handler = package::kFirstSection.value + 0x10;
            std::memcpy(info.data() + 4, &handler, sizeof handler);
            contents.sections[1] = {".rdata", package::kFirstSection + 0x1000, info, 12};
        }
        contents.runtime_functions = {{{package::kFirstSection, 6}, package::kFirstSection + 0x1000}};
        manifest.globals = {{"count", kGlobal, 8}};
        const isa::Site padded{isa::SiteKind::x64_padded, kPadded, 2, kPadded - 5, 5};
        manifest.functions = {replacement(image, kPadded, 6, padded, 0x00),
                              replacement(image, kPrologue, 16, prologue(kPrologue), 0x10)};
        if (with_across)
            manifest.functions.push_back(replacement(image, kAcross, 16, prologue(kAcross), 0x20));
        auto written = package::write_package(contents);
        EXPECT_TRUE(written) << written.error().message();
        return written ? *written : Bytes{};
    }

    /// Where a version's global, 8 bytes of 0x22 at first, lies.
    Va global(FakeTarget& target, std::uint32_t sequence) const {
        const auto ledger = ledger_of(target, name_);
        return ledger->version(sequence)->image.begin + kGlobal.value;
    }

    static Bytes new_code(std::uint32_t sequence) {
        return {0xb8, static_cast<std::uint8_t>(100 + sequence), 0, 0, 0, 0xc3};
    }
    static Bytes old_code(Rva function) {
        return function == kPadded ? Bytes{0xb8, 1, 0, 0, 0} : Bytes{0x53, 0x48, 0x83, 0xec, 0x20};
    }

    /// The first bytes that a call runs, by the jumps that the processor would follow; empty if it leads to where no
    /// code is.
    Bytes called_code(FakeTarget& target, Rva function) const {
        const isa::Isa& isa = *isa::isa_for(Machine::x64);
        Va va = at(function);
        for (int hop = 0; hop < 8; ++hop) {
            for (const std::uint64_t offset : {0u, 5u}) {
                const auto page = target.pages().find(Va{(va.value + offset) & ~(FakeTarget::kPage - 1)});
                if (page == target.pages().end() || page->second.protection != target::Protection::read_execute)
                    return {};
            }
            const Bytes code = target.peek(va, 6);
            const auto jump = isa.jump_at(code, va);
            if (!jump)
                return code;
            va = jump->to;
            if (!jump->indirect)
                continue;
            const auto cell = target.pages().find(Va{va.value & ~(FakeTarget::kPage - 1)});
            if (cell == target.pages().end())
                return {};
            va = Va{*ByteView(target.peek(va, 8)).read<std::uint64_t>(0)};
        }
        return {};
    }

    /// The version that every call runs: 0 for the baseline; nothing if they differ, or one leads nowhere. A function
    /// that a version leaves alone runs the baseline's code.
    std::optional<std::uint32_t> version(FakeTarget& target) const {
        std::optional<std::uint32_t> version;
        for (const Rva function : {kPadded, kPrologue}) {
            const Bytes code = called_code(target, function);
            if (code.empty())
                return std::nullopt;
            std::uint32_t found = 0;
            if (!std::ranges::equal(old_code(function), std::span(code).first(5)))
                found = code[1] - 100u;
            if ((found != 0 && code != new_code(found)) || version.value_or(found) != found)
                return std::nullopt;
            version = found;
        }
        // Sequence 1 does not have `across`.
        const Bytes code = called_code(target, kAcross);
        const bool old = !code.empty() && std::ranges::equal(old_code(kAcross), std::span(code).first(5));
        if (*version < 2 ? !old : code != new_code(*version))
            return std::nullopt;
        const Bytes other = called_code(target, kOther);
        return other == Bytes{0xb8, 3, 0, 0, 0, 0xc3} ? version : std::nullopt;
    }

  private:
    static isa::Site prologue(Rva entry) { return {isa::SiteKind::x64_prologue, entry, 5, {}, 5}; }
    static package::Replacement replacement(const pe::Image& image, Rva baseline, std::uint32_t size, isa::Site site,
                                            std::uint32_t code) {
        package::Replacement function;
        function.name = fmt::format("function_{:x}", baseline.value);
        function.baseline = baseline;
        function.baseline_size = size;
        function.baseline_digest = *pe::masked_digest(image, {baseline, size}, {});
        function.site = site;
        function.entry_bytes = image.bytes_at(baseline, site.original_size())->copy();
        if (site.uses_pad())
            function.pad_bytes = image.bytes_at(site.pad, site.pad_size)->copy();
        function.patch = package::kFirstSection + code;
        function.patch_size = 6;
        return function;
    }

    std::string name_;
    Va base_;
    PeBuilder image_;
};

/// A process with two modules.
class TwoModules : public testing::Test {
  protected:
    TwoModules() { fresh(); }

    void fresh() {
        target_ = FakeTarget();
        a_.load(target_);
        b_.load(target_);
    }
    Result<Report> apply_files(std::initializer_list<Bytes> files, const Options& options = {}) {
        const std::vector<Bytes> kept = files;
        std::vector<package::Package> packages;
        for (const Bytes& file : kept) {
            auto package = package::Package::parse(file);
            if (!package)
                return std::unexpected(package.error());
            packages.push_back(*package);
        }
        return apply(target_, packages, options);
    }

    PatchedModule a_{"a.dll", Va{0x7ff6'1234'0000}};
    PatchedModule b_{"b.dll", Va{0x7ff6'5000'0000}};
    FakeTarget target_;
};

} // namespace suture::patch::test
