#include "engine/pe/limits.hpp"
#include "engine/pe/tls.hpp"
#include "tests/support/pe_builder.hpp"

#include <gtest/gtest.h>

namespace suture::pe {
namespace {

using test::PeBuilder;
using test::put;

constexpr std::uint64_t kBase = 0x180000000;

/// Data at 0x1000 (the directory at its start, callbacks at 0x1100, zero fill from 0x1200 to 0x1300).
Result<TlsInfo> read(const raw::TlsDirectory64& directory, const std::vector<std::uint64_t>& callbacks = {}) {
    PeBuilder pe;
    Bytes bytes(0x200);
    put(bytes, 0, directory);
    for (std::size_t i = 0; i < callbacks.size(); ++i)
        put(bytes, 0x100 + i * 8, callbacks[i]);
    pe.section(".data", PeBuilder::kData, bytes, 0x300);
    pe.directory(Directory::tls, {{0x1000}, sizeof(directory)});
    const Bytes file = pe.file();
    return tls_of(*Image::parse(file, Layout::file));
}

raw::TlsDirectory64 fields() {
    return {kBase + 0x1040, kBase + 0x1050, kBase + 0x1060, kBase + 0x1100, 24, 0x00300000};
}

TEST(TlsTest, FindsNothingWhereThereIsNoDirectory) {
    PeBuilder pe;
    pe.section(".text", PeBuilder::kCode, Bytes(0x100));
    const Bytes file = pe.file();
    EXPECT_FALSE(tls_of(*Image::parse(file, Layout::file))->present);
}

TEST(TlsTest, ReadsDataIndexAndCallbacks) {
    const auto tls = read(fields(), {kBase + 0x1010, kBase + 0x1020});
    ASSERT_TRUE(tls) << tls.error().message();
    EXPECT_TRUE(tls->present);
    EXPECT_EQ(tls->data, (RvaRange{{0x1040}, 0x10}));
    EXPECT_EQ(tls->zero_fill, 24u);
    EXPECT_EQ(tls->characteristics, 0x00300000u);
    EXPECT_EQ(tls->index, Rva{0x1060});
    EXPECT_EQ(tls->callbacks, (std::vector<Rva>{{0x1010}, {0x1020}}));
}

TEST(TlsTest, TakesADirectoryThatHasOnlyAnIndex) {
    const auto tls = read({0, 0, kBase + 0x1060, 0, 0, 0});
    ASSERT_TRUE(tls);
    EXPECT_EQ(tls->data.size, 0u);
    EXPECT_TRUE(tls->callbacks.empty());
}

TEST(TlsTest, EndsTheCallbacksAtZeroFill) {
    auto f = fields();
    f.address_of_callbacks = kBase + 0x1200;
    EXPECT_TRUE(read(f)->callbacks.empty());
    f.address_of_callbacks = kBase + 0x11f8;
    EXPECT_TRUE(read(f)->callbacks.empty());
}

TEST(TlsTest, RefusesWhatLiesOutsideTheImage) {
    auto f = fields();
    f.start_address_of_raw_data = kBase - 0x10;
    EXPECT_EQ(read(f).error().code(), Code::pe_bad_directory);
    f = fields();
    f.end_address_of_raw_data = kBase + 0x2001;
    EXPECT_FALSE(read(f));
    f.end_address_of_raw_data = kBase + 0x1030; // before the start
    EXPECT_FALSE(read(f));
    f = fields();
    f.address_of_index = kBase + 0x12fd;
    EXPECT_FALSE(read(f));
    f = fields();
    f.address_of_callbacks = 1;
    EXPECT_FALSE(read(f));
    EXPECT_FALSE(read(fields(), {kBase + 0x2000}));
}

TEST(TlsTest, RefusesCallbacksWithoutEnd) {
    PeBuilder pe;
    Bytes bytes;
    test::append(bytes, raw::TlsDirectory64{0, 0, 0, kBase + 0x1028, 0, 0});
    for (std::size_t i = 0; i <= kMaxTlsCallbacks; ++i)
        test::append(bytes, kBase + 0x1000);
    pe.section(".data", PeBuilder::kData, bytes);
    pe.directory(Directory::tls, {{0x1000}, 40});
    const Bytes file = pe.file();
    EXPECT_FALSE(tls_of(*Image::parse(file, Layout::file)));
}

} // namespace
} // namespace suture::pe
