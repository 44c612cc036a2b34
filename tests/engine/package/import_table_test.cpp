#include "engine/package/writer.hpp"

#include <gtest/gtest.h>

namespace suture::package {

namespace {

TEST(ImportTable, LaysOutDirectoryLookupAddressesAndNames) {
    const ImportTable table = build_import_table({{"b.dll", "f", 0}, {"b.dll", "", 7}, {"a.dll", "gg", 0}}, {0x2008});
    EXPECT_EQ(table.directory, (RvaRange{{0x2008}, 60}));     // a.dll, b.dll, the end
    EXPECT_EQ(table.address_table, (RvaRange{{0x2070}, 40})); // 64 for the directory, 40 for the lookup table
    EXPECT_EQ(table.slots, (std::vector<Rva>{{0x2088}, {0x2080}, {0x2070}}));
    const ByteView bytes(table.bytes);
    // a.dll: lookup table, no time stamp, no forwarder, name, address table
    EXPECT_EQ(bytes.read<std::uint32_t>(0), 0x2048u);
    EXPECT_EQ(bytes.read<std::uint32_t>(16), 0x2070u);
    // b.dll: an ordinal before a name
    EXPECT_EQ(bytes.read<std::uint32_t>(20), 0x2058u);
    EXPECT_EQ(bytes.read<std::uint32_t>(36), 0x2080u);
    EXPECT_EQ(bytes.read<std::uint64_t>(0x50), 0x8000000000000007u);
    // The address table starts out as a copy of the lookup table.
    EXPECT_EQ(*bytes.slice(0x40, 40), *bytes.slice(0x68, 40));
    EXPECT_EQ(bytes.c_string(*bytes.read<std::uint32_t>(12) - 0x2008, 99), "a.dll");
    EXPECT_EQ(bytes.c_string(*bytes.read<std::uint64_t>(0x40) - 0x2008 + 2, 99), "gg");
}

TEST(ImportTable, DoesNotDependOnTheOrderOfTheRequests) {
    const ImportTable a = build_import_table({{"x.dll", "f", 0}, {"y.dll", "g", 0}}, {0x2000});
    const ImportTable b = build_import_table({{"y.dll", "g", 0}, {"x.dll", "f", 0}}, {0x2000});
    EXPECT_EQ(a.bytes, b.bytes);
    EXPECT_EQ(a.slots[0], b.slots[1]);
    EXPECT_EQ(a.slots[1], b.slots[0]);
}

TEST(ImportTable, GivesEqualRequestsOneSlot) {
    // An ordinal beside a name means nothing.
    const ImportTable table = build_import_table({{"x.dll", "f", 0}, {"x.dll", "f", 9}, {"x.dll", "f", 0}}, {0x2000});
    EXPECT_EQ(table.slots, std::vector<Rva>(3, table.slots[0]));
    EXPECT_EQ(table.address_table.size, 16u);
}

} // namespace

} // namespace suture::package
