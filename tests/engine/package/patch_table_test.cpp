#include "engine/package/byte_writer.hpp"
#include "engine/package/hot_patch_chunk.hpp"
#include "engine/package/limits.hpp"
#include "engine/package/patch_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace suture::package {

namespace {

Bytes words(std::initializer_list<std::uint32_t> values) {
    ByteWriter out;
    for (const std::uint32_t value : values)
        out.put(value);
    return out.take();
}

Replacement function(std::uint32_t baseline, std::uint32_t patch) {
    Replacement result;
    result.baseline = {baseline};
    result.patch = {patch};
    return result;
}

Bytes encode(std::vector<Replacement> functions, std::vector<Fixup> fixups) {
    Manifest manifest;
    manifest.functions = std::move(functions);
    manifest.fixups = std::move(fixups);
    return encode_patch_table(manifest);
}

TEST(PatchTable, HasTheMasksAndOperationsOfTheHeader) {
    EXPECT_EQ(kChunkInverse | kChunkObligatory | kChunkReserved | kChunkType | kChunkSize, 0xffffffffu);
    EXPECT_EQ(kChunkInverse & kChunkObligatory & kChunkReserved & kChunkType & kChunkSize, 0u);
    // Each operation used here carries a source and a target.
    for (const std::uint32_t operation :
         {kChunkFunction, kChunkAbsolute, kChunkRel32, kChunkArm64Page21, kChunkArm64Branch26, kChunkImageRelative}) {
        EXPECT_EQ(operation & ~kChunkType, 0u);
        EXPECT_EQ(operation & (kChunkSourceRva | kChunkTargetRva), kChunkSourceRva | kChunkTargetRva);
    }
}

TEST(PatchTable, WritesChunksByKindAndAddend) {
    EXPECT_EQ(encode({}, {}), words({0}));
    EXPECT_EQ(
        encode({function(0x1230, 0x1000), function(0x1400, 0x1040)}, {{FixupKind::rel32, {0x1005}, {0x2000}, -4},
                                                                      {FixupKind::absolute64, {0x1010}, {0x3000}, 0},
                                                                      {FixupKind::rel32, {0x1020}, {0x2008}, -5},
                                                                      {FixupKind::rel32, {0x1030}, {0x2010}, -4}}),
        words({0x0001c002, 0x1230,     0x1000, 0x1400, 0x1040,         // FUNCTION, 2 records
               0x0002c001, 0,          0x1010, 0x3000,                 // ABSOLUTE, addend 0, 1 record
               0x0003c001, 0xfffffffb, 0x1020, 0x2008,                 // REL32, addend -5
               0x0003c002, 0xfffffffc, 0x1005, 0x2000, 0x1030, 0x2010, // REL32, addend -4
               0}));
}

TEST(PatchTable, WritesInstructionsOfArm64AsChunksOfTheirOwn) {
    const std::vector<Fixup> fixups = {{FixupKind::arm64_branch26, {0x1004}, {0x2000}, 0},
                                       {FixupKind::arm64_page21, {0x1008}, {0x5010}, 0},
                                       {FixupKind::absolute64, {0x1010}, {0x3000}, 0}};
    const Bytes bytes = encode({}, fixups);
    EXPECT_EQ(bytes, words({0x0002c001, 0, 0x1010, 0x3000, // ABSOLUTE
                            0x0008c001, 0, 0x1008, 0x5010, // ARM64_PAGE21
                            0x0009c001, 0, 0x1004, 0x2000, // ARM64_BRANCH26
                            0}));
    const auto table = decode_patch_table(bytes);
    ASSERT_TRUE(table);
    EXPECT_EQ(table->fixups, fixups);
}

TEST(PatchTable, WritesRvasOfThePackageAsAChunkOfTheirOwn) {
    const std::vector<Fixup> fixups = {{FixupKind::image_relative32, {0x1004}, {0x2010}, 0},
                                       {FixupKind::rel32, {0x1010}, {0x3000}, -4}};
    const Bytes bytes = encode({}, fixups);
    EXPECT_EQ(bytes, words({0x0003c001, 0xfffffffc, 0x1010, 0x3000, // REL32
                            0x000ac001, 0, 0x1004, 0x2010,          // IMAGE_RELATIVE
                            0}));
    const auto table = decode_patch_table(bytes);
    ASSERT_TRUE(table);
    EXPECT_EQ(table->fixups, fixups);
}

TEST(PatchTable, WritesCallTargetsBetweenFunctionsAndFixups) {
    // One of the package is a target RVA of the header's kind, one of the baseline a source.
    EXPECT_EQ(kChunkCallTarget & (kChunkSourceRva | kChunkTargetRva), kChunkTargetRva);
    EXPECT_EQ(kChunkBaselineCallTarget & (kChunkSourceRva | kChunkTargetRva), kChunkSourceRva);
    Manifest manifest;
    manifest.functions = {function(0x1230, 0x1000)};
    manifest.call_targets = {{0x1010}, {0x1040}};
    manifest.baseline_call_targets = {{0x1400}};
    manifest.fixups = {{FixupKind::rel32, {0x1005}, {0x2000}, -4}};
    const Bytes bytes = encode_patch_table(manifest);
    EXPECT_EQ(bytes, words({0x0001c001, 0x1230, 0x1000,             // FUNCTION
                            0x00044002, 0x1010, 0x1040,             // CALL_TARGET
                            0x000b8001, 0x1400,                     // BASELINE_CALL_TARGET
                            0x0003c001, 0xfffffffc, 0x1005, 0x2000, // REL32
                            0}));
    const auto table = decode_patch_table(bytes);
    ASSERT_TRUE(table);
    EXPECT_EQ(table->call_targets, manifest.call_targets);
    EXPECT_EQ(table->baseline_call_targets, manifest.baseline_call_targets);
}

TEST(PatchTable, GivesBackWhatWasWritten) {
    const std::vector<Fixup> fixups = {{FixupKind::rel32, {0x1005}, {0x2000}, INT32_MIN},
                                       {FixupKind::absolute64, {0x1010}, {0xffffffff}, INT32_MAX},
                                       {FixupKind::rel32, {0x1020}, {0}, 0}};
    Bytes bytes = encode({function(0x1230, 0x1000)}, fixups);
    const std::size_t size = bytes.size();
    bytes.resize(size + 5, 0xff); // what follows is not of this table
    const auto table = decode_patch_table(bytes);
    ASSERT_TRUE(table);
    EXPECT_EQ(table->size, size);
    EXPECT_EQ(table->fixups, fixups);
    ASSERT_EQ(table->functions.size(), 1u);
    EXPECT_EQ(table->functions[0].baseline, Rva{0x1230});
    EXPECT_EQ(table->functions[0].patch, Rva{0x1000});
}

TEST(PatchTable, SplitsChunksAtTheLimitOfTheSizeField) {
    std::vector<Replacement> functions;
    for (std::uint32_t i = 0; i < 2 * kChunkSize + 1; ++i)
        functions.push_back(function(i, i));
    const Bytes bytes = encode(functions, {});
    EXPECT_EQ(bytes.size(), 3 * 4 + functions.size() * 8 + 4);
    EXPECT_EQ(ByteView(bytes).read<std::uint32_t>(0), kChunkFunction | 0xfff);
    EXPECT_EQ(ByteView(bytes).read<std::uint32_t>(4 + 0xfff * 8), kChunkFunction | 0xfff);
    EXPECT_EQ(ByteView(bytes).read<std::uint32_t>(2 * (4 + 0xfff * 8)), kChunkFunction | 1);
    const auto table = decode_patch_table(bytes);
    ASSERT_TRUE(table);
    EXPECT_EQ(table->functions.size(), functions.size());
}

TEST(PatchTable, RefusesMoreCallTargetsThanTheLimit) {
    for (const std::uint32_t opcode : {kChunkCallTarget, kChunkBaselineCallTarget}) {
        ByteWriter out;
        for (std::size_t left = kMaxCallTargets + 1; left > 0;) {
            const std::size_t count = std::min<std::size_t>(left, kChunkSize);
            out.put(opcode | static_cast<std::uint32_t>(count));
            for (std::size_t i = 0; i < count; ++i)
                out.put(std::uint32_t{0});
            left -= count;
        }
        out.put(std::uint32_t{0});
        EXPECT_FALSE(decode_patch_table(out.take()));
    }
}

TEST(PatchTable, RefusesTablesThatCannotBeRead) {
    for (const auto& [what, bytes] : std::initializer_list<std::pair<const char*, Bytes>>{
             {"nothing at all", {}},
             {"half a word", {0, 0}},
             {"no terminator", words({0x0001c001, 1, 2})},
             {"records cut off", words({0x0001c002, 1, 2, 3})},
             {"no addend", words({0x0003c001})},
             {"no records", words({0x0001c000, 0})},
             {"a terminator with a size", words({0x00000001, 0})},
             {"CALL_TARGET cut off", words({0x00044002, 1})},
             {"CALL_TARGET with a source", words({0x0004c001, 1, 2, 0})},
             {"INDIRECT", words({0x0005c001, 1, 2, 0})},
             {"NO_CALL_TARGET", words({0x00064001, 1, 0})},
             {"an operation behind those of this format", words({0x000bc001, 0, 1, 2, 0})},
             {"DYNAMIC_VALUE", words({0x00078001, 1, 0})},
             {"FUNCTION without its target bit", words({0x00018001, 1, 2, 0})},
             {"INVERSE", words({0x8001c001, 1, 2, 0})},
             {"OBLIGATORY", words({0x4001c001, 1, 2, 0})},
             {"reserved bit 12", words({0x0001d001, 1, 2, 0})},
             {"reserved bit 29", words({0x2001c001, 1, 2, 0})},
         }) {
        const auto table = decode_patch_table(bytes);
        ASSERT_FALSE(table) << what;
        EXPECT_EQ(table.error().code(), Code::package_malformed) << what;
    }
}

} // namespace

} // namespace suture::package
