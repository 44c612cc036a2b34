// A package for Arm64, applied to a process that exists only in this one.

#include "engine/isa/arm64/immediates.hpp"
#include "engine/package/reader.hpp"
#include "engine/package/writer.hpp"
#include "engine/patch/status.hpp"
#include "engine/patch/transaction.hpp"
#include "tests/support/fake_target.hpp"
#include "tests/support/pe_builder.hpp"

#include <gtest/gtest.h>

namespace suture::patch {
namespace {

using isa::arm64::Form;
using suture::test::FakeTarget;
using suture::test::PeBuilder;

Bytes code(std::initializer_list<std::uint32_t> words) {
    Bytes bytes;
    for (const std::uint32_t word : words)
        suture::test::append(bytes, word);
    return bytes;
}

/// app.dll with three functions: one that reads a global, one that starts with a call, one that is left alone.
class TransactionArm64Test : public testing::Test {
  protected:
    static constexpr Va kBase{0x7ff6'1234'0000};
    static constexpr Rva kReader{0x1000};
    static constexpr Rva kCaller{0x1010};
    static constexpr Rva kOther{0x1020};
    static constexpr Rva kGlobal{0x2008};
    static constexpr Rva kNewReader = package::kFirstSection;
    static constexpr Rva kNewCaller = package::kFirstSection + 0x10u;

    TransactionArm64Test() {
        app_.machine = Machine::arm64;
        app_.section(".text", PeBuilder::kCode,
                     code({
                         0xb0000008, 0xb9400900, 0xd65f03c0, 0xd503201f, // adrp x8, .+0x1000; ldr w0, [x8, #8]; ret
                         0x94000004, 0xd65f03c0, 0xd503201f, 0xd503201f, // bl other; ret
                         0x52800060, 0xd65f03c0,                         // mov w0, #3; ret
                     }));
        app_.section(".data", PeBuilder::kData, Bytes(0x20, 0x11));
        target_.runs = Machine::arm64;
        target_.load_module("app.dll", kBase, app_.mapped(kBase.value), app_.file());
    }

    Bytes package() const {
        const Bytes file = app_.file();
        const pe::Image image = *pe::Image::parse(file, pe::Layout::file);
        package::Contents contents;
        package::Manifest& manifest = contents.manifest;
        manifest.machine = Machine::arm64;
        manifest.module = "app.dll";
        manifest.baseline = *pe::header_identity_of(image);
        manifest.sections = *pe::section_identities_of(image, *pe::masked_fields_of(image));
        for (const auto& [baseline, patch] : {std::pair(kReader, kNewReader), std::pair(kCaller, kNewCaller)}) {
            package::Replacement function;
            function.baseline = baseline;
            function.baseline_size = 12;
            function.baseline_digest = *pe::masked_digest(image, {baseline, 12}, {});
            function.site = {isa::SiteKind::arm64_branch, baseline, 4, {}, 4};
            function.entry_bytes = image.bytes_at(baseline, 4)->copy();
            function.patch = patch;
            function.patch_size = 16;
            manifest.functions.push_back(std::move(function));
        }
        const Bytes text = code({
            0x90000008, 0xb9400900, 0x11000400, 0xd65f03c0, // adrp x8, page of the global; ldr; add w0, w0, #1; ret
            0x94000000, 0x11000800, 0x14000000, 0xd503201f, // bl other; add w0, w0, #2; b other
        });
        contents.sections = {{".text", package::kFirstSection, text, static_cast<std::uint32_t>(text.size())}};
        contents.runtime_functions = {{{kNewReader, 16}, {}, 1 | 4 << 2}, {{kNewCaller, 16}, {}, 1 | 4 << 2}};
        manifest.fixups = {{package::FixupKind::arm64_page21, kNewReader, kGlobal, 0},
                           {package::FixupKind::arm64_branch26, kNewCaller, kOther, 0},
                           {package::FixupKind::arm64_branch26, kNewCaller + 8u, kOther, 0}};
        auto written = package::write_package(contents);
        EXPECT_TRUE(written) << written.error().message();
        return written ? *written : Bytes{};
    }

    Result<Report> apply_package() {
        const Bytes file = package();
        const auto package = package::Package::parse(file);
        if (!package)
            return std::unexpected(package.error());
        return apply(target_, {&*package, 1}, {});
    }

    std::uint32_t word_at(Va at) { return *ByteView(target_.peek(at, 4)).read<std::uint32_t>(0); }
    Va leads_to(Va at, Form form) { return Va{target_of(form, word_at(at), at.value)}; }

    /// Where a call of a function of app.dll ends up.
    Va call(Rva function) {
        Va at = kBase + function.value;
        for (int hop = 0; hop < 3; ++hop) {
            const auto jump = isa::isa_for(Machine::arm64)->jump_at(target_.peek(at, 8), at);
            if (!jump)
                break;
            at = jump->indirect ? Va{*ByteView(target_.peek(jump->to, 8)).read<std::uint64_t>(0)} : jump->to;
        }
        return at;
    }

    PeBuilder app_;
    FakeTarget target_;
};

TEST_F(TransactionArm64Test, ApplyRedirectsEveryFunctionAndNothingElse) {
    const auto report = apply_package();
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(word_at(call(kReader) + 8), 0x11000400u);
    EXPECT_EQ(word_at(call(kCaller) + 4), 0x11000800u);
    EXPECT_EQ(call(kOther), kBase + kOther.value);
    const auto modules = status(target_);
    ASSERT_TRUE(modules) << modules.error().message();
    ASSERT_EQ(modules->size(), 1u);
    EXPECT_TRUE(modules->front().findings.empty());
}

TEST_F(TransactionArm64Test, FixupsLeadIntoTheModuleWhereItIsLoaded) {
    ASSERT_TRUE(apply_package());
    const Va reader = call(kReader), caller = call(kCaller);
    EXPECT_EQ(word_at(reader) & 0x9f00001f, 0x90000008u);
    EXPECT_EQ(leads_to(reader, Form::adrp21), kBase + 0x2000);
    EXPECT_EQ(word_at(caller) >> 26, 0x94000000u >> 26);
    EXPECT_EQ(leads_to(caller, Form::branch26), kBase + kOther.value);
    EXPECT_EQ(word_at(caller + 8) >> 26, 0x14000000u >> 26);
    EXPECT_EQ(leads_to(caller + 8, Form::branch26), kBase + kOther.value);
}

TEST_F(TransactionArm64Test, RollbackBringsTheBaselineBackThroughTheContinuations) {
    ASSERT_TRUE(apply_package());
    ASSERT_TRUE(rollback(target_, "app.dll", std::nullopt, {}));
    // adrp x8 of the same page, and back
    const Va reader = call(kReader);
    EXPECT_EQ(leads_to(reader, Form::adrp21), kBase + 0x2000);
    EXPECT_EQ(leads_to(reader + 4, Form::branch26), kBase + kReader.value + 4);
    // x30 behind the original call, then to what it called
    const Va caller = call(kCaller);
    EXPECT_EQ(leads_to(caller, Form::adrp21), kBase + 0x1000);
    EXPECT_EQ(word_at(caller + 4), 0x910053deu); // add x30, x30, #0x14
    EXPECT_EQ(leads_to(caller + 8, Form::branch26), kBase + kOther.value);
}

TEST_F(TransactionArm64Test, AThreadThatHoldsWhereACellLedIsWaitedFor) {
    ASSERT_TRUE(apply_package());
    const Va stub = leads_to(kBase + kReader.value, Form::branch26);
    Va ip = stub + 4; // the cell is read, the branch to come
    unsigned stops = 0;
    target_.threads = [&](unsigned) {
        target::ThreadState thread;
        thread.id = 77;
        thread.ip = ++stops <= 2 ? ip : Va{0x7000};
        return std::vector{thread};
    };
    auto report = rollback(target_, "app.dll", std::nullopt, {});
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(report->attempts, 3u);
    ip = stub;
    stops = 0;
    report = apply_package();
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(report->attempts, 1u);
}

TEST_F(TransactionArm64Test, RemoveLeavesTheProcessAsItWas) {
    const auto before = target_.pages();
    ASSERT_TRUE(apply_package());
    ASSERT_NE(target_.pages(), before);
    const auto report = remove(target_, "app.dll", {});
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(target_.pages(), before);
}

TEST_F(TransactionArm64Test, RefusesAnInstructionThatIsNotTheBaselines) {
    target_.poke(kBase + kReader.value, code({0xd503201f}));
    const auto before = target_.pages();
    EXPECT_FALSE(apply_package());
    EXPECT_EQ(target_.pages(), before);
}

} // namespace
} // namespace suture::patch
