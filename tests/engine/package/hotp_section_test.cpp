#include "engine/package/hotp_section.hpp"
#include "engine/package/reader.hpp"
#include "engine/pe/load_config.hpp"
#include "tests/engine/package/sample_contents.hpp"

#include <gtest/gtest.h>

namespace suture::package {

namespace {

using namespace test;

TEST(HotpSection, PlacesItsStructuresWhereTheFormatSays) {
    EXPECT_EQ(kDigestAt, 0x10u);
    EXPECT_EQ(kLoadConfigAt, 0x20u);
    EXPECT_EQ(kInfoAt, 0x160u);
    EXPECT_EQ(kBaseListAt, 0x184u);
    EXPECT_EQ(kBaseAt, 0x188u);
    EXPECT_EQ(kHashesAt, 0x1a8u);
    EXPECT_EQ(kPatchTableAt, 0x1dcu);
}

TEST(HotpSection, IsReachedThroughTheLoadConfig) {
    const Bytes file = *write_package(everything());
    const auto package = Package::parse(file);
    ASSERT_TRUE(package);
    const auto config = pe::load_config_of(package->image());
    ASSERT_TRUE(config);
    EXPECT_EQ(config->size, 0x140u);
    ASSERT_TRUE(config->hot_patch_table);

    // Followed as public sources describe it, offset by offset.
    const Rva info_at = *config->hot_patch_table;
    const pe::Image& image = package->image();
    const auto info = image.read<HotPatchInfo>(info_at);
    ASSERT_TRUE(info);
    EXPECT_EQ(info->version, 4u);
    EXPECT_EQ(info->sequence_number, 7u);
    EXPECT_EQ(info->min_sequence_number, 3u);
    ASSERT_EQ(info->base_image_count, 1u);
    const auto base_at = image.read<std::uint32_t>(info_at + info->base_image_list);
    const auto base = image.read<HotPatchBase>(info_at + *base_at);
    ASSERT_TRUE(base);
    EXPECT_EQ(base->flags, 0x12u);
    EXPECT_EQ(base->original_time_date_stamp, everything().manifest.baseline.time_date_stamp);
    EXPECT_EQ(base->original_check_sum, everything().manifest.baseline.checksum);
    const auto hashes = image.read<HotPatchHashes>(info_at + base->code_integrity_info);
    ASSERT_TRUE(hashes);
    EXPECT_EQ(base->code_integrity_size, sizeof(HotPatchHashes));
    EXPECT_EQ(hashes->sha256, everything().manifest.baseline_sha256);
    EXPECT_EQ(hashes->sha1, everything().manifest.baseline_sha1);
    EXPECT_EQ(image.read<std::uint32_t>(info_at + base->patch_table), 0x0001c005u);
    EXPECT_EQ(image.read<std::uint32_t>(info_at + (info->size - 4)), 0u); // the terminator of the patch table
}

TEST(HotpSection, FlagsTheMachineInTheOrderOfTheBaseFlags) {
    // IMAGE_HOT_PATCH_MACHINE is a bit field of another order: x86, Amd64, Arm64, Amd64EC. What is Amd64 there means
    // CAN_ROLL_BACK here, and its Arm64 means I386.
    constexpr std::uint32_t kMachineFieldAmd64 = 1u << 1, kMachineFieldArm64 = 1u << 2;
    EXPECT_EQ(kMachineFieldAmd64, kBaseCanRollBack);
    EXPECT_EQ(kMachineFieldArm64, kBaseMachineI386);
    EXPECT_EQ(base_flags(Machine::x64), 0x12u);
    EXPECT_EQ(base_flags(Machine::arm64), 0x0au);
    EXPECT_EQ(ByteView(encode_hotp(one_function().manifest, {0x5000})).read<std::uint32_t>(kBaseAt + 4), 0x12u);
    EXPECT_EQ(ByteView(encode_hotp(arm64_function().manifest, {0x5000})).read<std::uint32_t>(kBaseAt + 4), 0x0au);
}

TEST(HotpSection, RefusesASectionThatEndsEarly) {
    const Bytes hotp = encode_hotp(everything().manifest, {0x5000});
    ASSERT_TRUE(decode_hotp(hotp, Machine::x64));
    for (std::size_t size = 0; size < hotp.size(); ++size)
        ASSERT_FALSE(decode_hotp(ByteView(hotp.data(), size), Machine::x64)) << size;
}

} // namespace

} // namespace suture::package
