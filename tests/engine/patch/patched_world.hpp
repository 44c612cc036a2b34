#pragma once

#include "engine/package/reader.hpp"
#include "engine/package/writer.hpp"
#include "engine/patch/transaction.hpp"
#include "engine/pe/exports.hpp"
#include "tests/support/fake_target.hpp"
#include "tests/support/pe_builder.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace suture::patch::test {

using suture::test::FakeTarget;
using suture::test::PeBuilder;

/// A fake process with one module, app.dll, and packages for it.
///
/// app.dll, at kBase (not its preferred base):
///     0x1010  padded    mov eax, 1 ; ret                 (5 bytes of fill before it)
///     0x1020  prologue  push rbx ; sub rsp, 32 ; mov eax, 2 ; add rsp, 32 ; pop rbx ; ret
///     0x1040  other     mov eax, 3 ; ret                 (never replaced)
class PatchedWorld : public testing::Test {
  protected:
    static constexpr Va kBase{0x7ff6'1234'0000};
    static constexpr Rva kPadded{0x1010};
    static constexpr Rva kPrologue{0x1020};
    static constexpr Rva kOther{0x1040};

    PatchedWorld() {
        Bytes code(0x60, 0xcc);
        put_code(code, 0x10, {0xb8, 1, 0, 0, 0, 0xc3});
        put_code(code, 0x20, {0x53, 0x48, 0x83, 0xec, 0x20, 0xb8, 2, 0, 0, 0, 0x48, 0x83, 0xc4, 0x20, 0x5b, 0xc3});
        put_code(code, 0x40, {0xb8, 3, 0, 0, 0, 0xc3});
        app_.section(".text", PeBuilder::kCode, code);
        const Rva data = app_.section(".data", PeBuilder::kData, Bytes(16, 0x11));
        app_.relocations({data});
        system_.section(".text", PeBuilder::kCode, Bytes(0x100, 0xc3));
        system_.exports(
            "system.dll",
            {{"Beep", Rva{0x1020}, ""}, {"Forwarded", Rva{}, "app.Missing"}, {"Twice", Rva{}, "system.Beep"}});
        target_.load_module("APP.dll", kBase, app_.mapped(kBase.value), app_.file());
        target_.load_module("system.dll", kSystem, system_.mapped(kSystem.value), system_.file());
    }

    static constexpr Va kSystem{0x7ff6'5000'0000};

    static void put_code(Bytes& code, std::size_t at, std::initializer_list<std::uint8_t> bytes) {
        std::ranges::copy(bytes, code.begin() + static_cast<std::ptrdiff_t>(at));
    }

    package::Replacement replacement(Rva baseline, std::uint32_t size, isa::Site site, Rva patch) const {
        const Bytes file = app_.file();
        const pe::Image image = *pe::Image::parse(file, pe::Layout::file);
        package::Replacement function;
        function.name = fmt::format("function_{:x}", baseline.value);
        function.baseline = baseline;
        function.baseline_size = size;
        function.baseline_digest = *pe::masked_digest(image, {baseline, size}, {});
        function.site = site;
        function.entry_bytes = image.bytes_at(baseline, site.original_size())->copy();
        if (site.uses_pad())
            function.pad_bytes = image.bytes_at(site.pad, site.pad_size)->copy();
        function.patch = patch;
        function.patch_size = 6;
        return function;
    }
    package::Replacement padded(Rva patch) const {
        return replacement(kPadded, 6, {isa::SiteKind::x64_padded, kPadded, 2, kPadded - 5, 5}, patch);
    }
    package::Replacement prologue(Rva patch) const {
        return replacement(kPrologue, 16, {isa::SiteKind::x64_prologue, kPrologue, 5, {}, 5}, patch);
    }

    /// A package for app.dll. Its code is `mov eax, 100 + sequence ; ret` in slots of 16 bytes, then a call of `other`.
    package::Contents contents(std::uint32_t sequence) const {
        const Bytes file = app_.file();
        const pe::Image image = *pe::Image::parse(file, pe::Layout::file);
        package::Contents contents;
        package::Manifest& manifest = contents.manifest;
        manifest.id = fmt::format("fix {}", sequence);
        manifest.sequence = sequence;
        manifest.module = "app.dll";
        manifest.baseline = *pe::header_identity_of(image);
        manifest.sections = *pe::section_identities_of(image, *pe::masked_fields_of(image));
        Bytes code(0x40, 0xcc);
        for (const std::size_t at : {0x00uz, 0x10uz})
            put_code(code, at, {0xb8, static_cast<std::uint8_t>(100 + sequence), 0, 0, 0, 0xc3});
        put_code(code, 0x20, {0xe8, 0, 0, 0, 0, 0xc3});
        contents.sections = {{".text", package::kFirstSection, code, 0x40}};
        manifest.functions = {padded(package::kFirstSection), prologue(package::kFirstSection + 0x10)};
        manifest.fixups = {{package::FixupKind::rel32, package::kFirstSection + 0x21, kOther, -4}};
        return contents;
    }
    static Bytes write(const package::Contents& contents) {
        auto file = package::write_package(contents);
        EXPECT_TRUE(file) << file.error().message();
        return file ? *file : Bytes{};
    }

    Result<Report> apply_file(const Bytes& file, const Options& options = {}) {
        auto package = package::Package::parse(file);
        if (!package)
            return std::unexpected(package.error());
        return apply(target_, {&*package, 1}, options);
    }
    Result<Report> apply_sequence(std::uint32_t sequence) { return apply_file(write(contents(sequence))); }

    /// Where a call of a function of app.dll ends up: follows jumps as the processor would.
    Va call(Rva function) {
        const isa::Isa& isa = *isa::isa_for(Machine::x64);
        Va at = kBase + function.value;
        for (int hop = 0; hop < 8; ++hop) {
            if (!target_.pages().contains(Va{at.value & ~(FakeTarget::kPage - 1)}))
                break;
            const Bytes code = target_.peek(at, 6);
            const auto jump = isa.jump_at(code, at);
            if (!jump)
                break;
            at = jump->to;
            if (jump->indirect)
                at = Va{*ByteView(target_.peek(at, 8)).read<std::uint64_t>(0)};
        }
        return at;
    }
    /// The first bytes that a call of the function runs.
    Bytes called_code(Rva function, std::uint64_t size = 6) { return target_.peek(call(function), size); }

    Bytes module_bytes() { return target_.peek(kBase, app_.mapped().size()); }

    static const Error& error_of(const auto& result) {
        static const Error none(Code::file_unreadable, "no error");
        EXPECT_FALSE(result) << "succeeded";
        return result ? none : result.error();
    }

    PeBuilder app_;
    PeBuilder system_;
    FakeTarget target_;
};

inline const Bytes kOldPadded = {0xb8, 1, 0, 0, 0};
inline const Bytes kOldPrologue = {0x53, 0x48, 0x83, 0xec, 0x20};

} // namespace suture::patch::test
