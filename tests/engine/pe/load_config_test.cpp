#include "engine/pe/limits.hpp"
#include "engine/pe/load_config.hpp"
#include "engine/pe/raw/load_config.hpp"
#include "tests/support/pe_builder.hpp"

#include <gtest/gtest.h>

namespace suture::pe {
namespace {

using test::PeBuilder;
using test::put;

constexpr std::uint64_t kBase = 0x180000000;
constexpr std::uint32_t kTable = 0x1200; // guard functions of sample()

raw::LoadConfigDirectory64 fields() {
    raw::LoadConfigDirectory64 f{};
    f.size = sizeof(f);
    f.security_cookie = kBase + 0x1300;
    f.guard_cf_check_function_pointer = kBase + 0x1308;
    f.guard_cf_dispatch_function_pointer = kBase + 0x1310;
    f.guard_cf_function_table = kBase + kTable;
    f.guard_cf_function_count = 3;
    f.guard_flags = 0x10000500; // one byte of metadata behind each entry
    f.hot_patch_table_offset = 0x1320;
    return f;
}

PeBuilder with(const raw::LoadConfigDirectory64& f, std::array<std::uint32_t, 3> functions = {0x1000, 0x1010, 0x1020}) {
    PeBuilder pe;
    Bytes bytes(0x400);
    put(bytes, 0, f);
    for (std::size_t i = 0; i < functions.size(); ++i)
        put(bytes, 0x200 + i * (4 + (f.guard_flags >> 28)), functions[i]);
    pe.section(".rdata", PeBuilder::kReadOnly, bytes);
    pe.directory(Directory::load_config, {{0x1000}, f.size});
    return pe;
}

Result<LoadConfig> read(const PeBuilder& pe) {
    const Bytes file = pe.file();
    return load_config_of(*Image::parse(file, Layout::file));
}

TEST(LoadConfigTest, FindsNothingWhereThereIsNoDirectory) {
    PeBuilder pe;
    pe.section(".text", PeBuilder::kCode, Bytes(0x100));
    const auto config = read(pe);
    ASSERT_TRUE(config);
    EXPECT_EQ(config->size, 0u);
}

TEST(LoadConfigTest, ReadsPointersAndTheGuardTable) {
    const auto config = read(with(fields()));
    ASSERT_TRUE(config) << config.error().message();
    EXPECT_EQ(config->size, 0x140u);
    EXPECT_EQ(config->security_cookie, Rva{0x1300});
    EXPECT_EQ(config->guard_check_pointer, Rva{0x1308});
    EXPECT_EQ(config->guard_dispatch_pointer, Rva{0x1310});
    EXPECT_EQ(config->guard_functions, (std::vector<Rva>{{0x1000}, {0x1010}, {0x1020}}));
    EXPECT_EQ(config->guard_flags, 0x10000500u);
    EXPECT_EQ(config->hot_patch_table, Rva{0x1320});
    EXPECT_FALSE(config->has_chpe);
}

TEST(LoadConfigTest, CallsMayLeadToListedFunctionsThatAreNotSuppressed) {
    const auto plain = read(with(fields()));
    ASSERT_TRUE(plain);
    EXPECT_TRUE(plain->is_guarded());
    EXPECT_EQ(plain->call_targets, plain->guard_functions);
    raw::LoadConfigDirectory64 f = fields();
    f.guard_flags = 0x20000500; // two bytes behind each entry: flags, and what comes with XFG
    PeBuilder pe;
    Bytes bytes(0x400);
    put(bytes, 0, f);
    for (std::size_t i = 0; i < 3; ++i) {
        put(bytes, 0x200 + i * 6, std::uint32_t{0x1000} + static_cast<std::uint32_t>(i) * 16);
        // IMAGE_GUARD_FLAG_FID_SUPPRESSED, IMAGE_GUARD_FLAG_EXPORT_SUPPRESSED
        put(bytes, 0x204 + i * 6, static_cast<std::uint8_t>(i));
    }
    pe.section(".rdata", PeBuilder::kReadOnly, bytes);
    pe.directory(Directory::load_config, {{0x1000}, f.size});
    const auto config = read(pe);
    ASSERT_TRUE(config) << config.error().message();
    EXPECT_EQ(config->guard_functions.size(), 3u);
    EXPECT_EQ(config->call_targets, (std::vector<Rva>{{0x1000}, {0x1020}}));
    for (const std::uint32_t flags : {0x100u, 0x400u, 0x800u}) {
        f = fields();
        f.guard_flags = flags;
        EXPECT_FALSE(read(with(f))->is_guarded());
    }
}

TEST(LoadConfigTest, ReadsPointersOfARelocatedMappingByItsActualBase) {
    PeBuilder pe = with(fields());
    pe.relocations({{0x1058}, {0x1070}, {0x1078}, {0x1080}});
    const Bytes mapped = pe.mapped(0x7ff123450000);
    const auto config = load_config_of(*Image::parse(mapped, Layout::mapped));
    ASSERT_TRUE(config) << config.error().message();
    EXPECT_EQ(config->security_cookie, Rva{0x1300});
    EXPECT_EQ(config->guard_functions.size(), 3u);
}

TEST(LoadConfigTest, TakesFieldsBehindItsSizeAsAbsent) {
    auto f = fields();
    f.size = 0x70;
    f.chpe_metadata_pointer = kBase;
    const auto config = read(with(f));
    ASSERT_TRUE(config);
    EXPECT_EQ(config->security_cookie, Rva{0x1300});
    EXPECT_FALSE(config->guard_check_pointer);
    EXPECT_TRUE(config->guard_functions.empty());
    EXPECT_FALSE(config->hot_patch_table);
    EXPECT_FALSE(config->has_chpe);
    f.size = 0xd0;
    EXPECT_TRUE(read(with(f))->has_chpe);
}

TEST(LoadConfigTest, TakesLargerStructuresThanItKnows) {
    auto f = fields();
    f.size = 0x1f0;
    EXPECT_TRUE(read(with(f)));
}

TEST(LoadConfigTest, RefusesStructuresOutsideTheirSection) {
    auto f = fields();
    for (const std::uint32_t size : {1u, 3u, 0x401u, std::uint32_t{kMaxLoadConfigSize} + 1, 0xffffffffu}) {
        f.size = size;
        const auto config = read(with(f));
        ASSERT_FALSE(config) << size;
        EXPECT_EQ(config.error().code(), Code::pe_bad_directory);
    }
}

TEST(LoadConfigTest, RefusesPointersOutsideTheImage) {
    for (auto field :
         {&raw::LoadConfigDirectory64::security_cookie, &raw::LoadConfigDirectory64::guard_cf_check_function_pointer,
          &raw::LoadConfigDirectory64::guard_cf_dispatch_function_pointer,
          &raw::LoadConfigDirectory64::guard_cf_function_table}) {
        for (const std::uint64_t value : {kBase - 1, kBase + 0x2000, std::uint64_t{1}, ~std::uint64_t{0}}) {
            auto f = fields();
            f.*field = value;
            EXPECT_FALSE(read(with(f)));
        }
    }
    auto f = fields();
    f.hot_patch_table_offset = 0x2000;
    EXPECT_FALSE(read(with(f)));
}

TEST(LoadConfigTest, RefusesGuardTablesThatAreNone) {
    auto f = fields();
    f.guard_cf_function_count = 0x1000;
    EXPECT_FALSE(read(with(f)));
    f.guard_cf_function_count = ~std::uint64_t{0};
    EXPECT_FALSE(read(with(f)));
    EXPECT_FALSE(read(with(fields(), {0x1000, 0x1020, 0x1010}))) << "not ascending";
    EXPECT_FALSE(read(with(fields(), {0x1000, 0x1000, 0x1010})));
    EXPECT_FALSE(read(with(fields(), {0x1000, 0x1010, 0x2000})));
}

} // namespace
} // namespace suture::pe
