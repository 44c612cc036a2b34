#include "engine/pe/unwind_x64.hpp"
#include "tests/support/pe_builder.hpp"

#include <gtest/gtest.h>

namespace suture::pe {
namespace {

using test::PeBuilder;

Result<std::vector<RuntimeFunction>> functions(const std::vector<raw::RuntimeFunctionX64>& entries) {
    PeBuilder pe;
    pe.section(".text", PeBuilder::kCode, Bytes(0x100, 0xc3));
    pe.runtime_functions(entries);
    const Bytes file = pe.file();
    return runtime_functions_of(*Image::parse(file, Layout::file));
}

/// UNWIND_INFO from its bytes, read from a file and from a mapping. They end their section where their size is a
/// multiple of 4, else zeros follow.
Result<UnwindInfo> info(Bytes bytes) {
    PeBuilder pe;
    test::align(bytes, 4);
    Bytes filled(0x200 - bytes.size());
    filled.insert(filled.end(), bytes.begin(), bytes.end());
    pe.section(".xdata", PeBuilder::kReadOnly, filled);
    const Rva at{0x1200 - static_cast<std::uint32_t>(bytes.size())};
    const Bytes file = pe.file();
    const Bytes mapped = pe.mapped();
    auto found = unwind_info_at(*Image::parse(file, Layout::file), at);
    EXPECT_EQ(found.has_value(), unwind_info_at(*Image::parse(mapped, Layout::mapped), at).has_value());
    return found;
}

TEST(UnwindX64Test, ReadsRuntimeFunctions) {
    const auto found = functions({{0x1000, 0x1010, 0x2000}, {0x1010, 0x1020, 0x2008}});
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(*found, (std::vector<RuntimeFunction>{{{{0x1000}, 0x10}, {0x2000}}, {{{0x1010}, 0x10}, {0x2008}}}));
    EXPECT_TRUE(functions({})->empty());
}

TEST(UnwindX64Test, RefusesRuntimeFunctionsThatDoNotAscend) {
    EXPECT_EQ(functions({{0x1010, 0x1020, 0x2000}, {0x1000, 0x1010, 0x2000}}).error().code(), Code::pe_bad_directory);
    EXPECT_FALSE(functions({{0x1000, 0x1011, 0x2000}, {0x1010, 0x1020, 0x2000}})); // overlap
    EXPECT_FALSE(functions({{0x1000, 0x1010, 0x2000}, {0x1000, 0x1010, 0x2000}})); // twice
}

TEST(UnwindX64Test, RefusesRuntimeFunctionsOutsideTheImage) {
    EXPECT_FALSE(functions({{0x1010, 0x1000, 0x2000}})); // ends before it begins
    EXPECT_FALSE(functions({{0x1010, 0x9000, 0x2000}}));
    EXPECT_FALSE(functions({{0x1010, 0x1020, 0x9000}}));
}

TEST(UnwindX64Test, LeavesOutEntriesThatCoverNothing) {
    const auto found = functions({{0x1000, 0x1000, 0x2000}, {0x1000, 0x1010, 0x2000}, {0, 0, 0}});
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(*found, (std::vector<RuntimeFunction>{{{{0x1000}, 0x10}, {0x2000}}}));
}

TEST(UnwindX64Test, RefusesDirectoriesThatAreNone) {
    PeBuilder pe;
    pe.section(".text", PeBuilder::kCode, Bytes(0x100, 0xc3));
    for (const RvaRange range : {RvaRange{{0x1000}, 13}, RvaRange{{0x10f8}, 24}, RvaRange{{0x9000}, 12}}) {
        pe.directory(Directory::exceptions, range);
        const Bytes file = pe.file();
        EXPECT_EQ(runtime_functions_of(*Image::parse(file, Layout::file)).error().code(), Code::pe_bad_directory);
    }
}

TEST(UnwindX64Test, FindsTheEntryThatCoversAnAddress) {
    const std::vector<RuntimeFunction> f = {{{{0x1000}, 0x10}, {1}}, {{{0x1020}, 0x10}, {2}}};
    EXPECT_EQ(runtime_function_at(f, {0xfff}), nullptr);
    EXPECT_EQ(runtime_function_at(f, {0x1000}), &f[0]);
    EXPECT_EQ(runtime_function_at(f, {0x100f}), &f[0]);
    EXPECT_EQ(runtime_function_at(f, {0x1010}), nullptr);
    EXPECT_EQ(runtime_function_at(f, {0x102f}), &f[1]);
    EXPECT_EQ(runtime_function_at(f, {0x1030}), nullptr);
    EXPECT_EQ(runtime_function_at({}, {0x1000}), nullptr);
}

TEST(UnwindX64Test, DecodesEveryOperationOfVersion1) {
    const auto found = info({
        0x01, 0x30, 21,   0x25,             // version 1, prologue 0x30, 21 slots, frame register rbp + 0x20
        0x30, 0x0a,                         // push machine frame without error code (10, info 0)
        0x2c, 0x69, 0x78, 0x56, 0x34, 0x12, // save xmm6 far at 0x12345678
        0x28, 0x78, 0x03, 0x00,             // save xmm7 at 3 * 16
        0x24, 0x55, 0x00, 0x00, 0x10, 0x00, // save rbp far at 0x100000
        0x20, 0x34, 0x04, 0x00,             // save rbx at 4 * 8
        0x1c, 0x03,                         // set frame register
        0x18, 0x11, 0x00, 0x00, 0x02, 0x00, // allocate 0x20000
        0x10, 0x01, 0x00, 0x10,             // allocate 0x1000 * 8
        0x08, 0x42,                         // allocate 4 * 8 + 8
        0x04, 0x50,                         // push rbp
        0x02, 0x1a,                         // push machine frame with error code
        0x01, 0xf0,                         // push r15
    });
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(found->version, 1);
    EXPECT_EQ(found->prolog_size, 0x30);
    EXPECT_EQ(found->frame_register, 5);
    EXPECT_EQ(found->frame_offset, 0x20u);
    EXPECT_EQ(found->size, 4u + 22 * 2);
    struct Expected {
        unsigned offset, operation, info, operand;
    };
    const std::vector<Expected> expected = {
        {0x30, 10, 0, 0},   {0x2c, 9, 6, 0x12345678}, {0x28, 8, 7, 0x30},    {0x24, 5, 5, 0x100000},
        {0x20, 4, 3, 0x20}, {0x1c, 3, 0, 0},          {0x18, 1, 1, 0x20000}, {0x10, 1, 0, 0x8000},
        {0x08, 2, 4, 0x28}, {0x04, 0, 5, 0},          {0x02, 10, 1, 0},      {0x01, 0, 15, 0},
    };
    ASSERT_EQ(found->codes.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
        EXPECT_EQ(found->codes[i].prolog_offset, expected[i].offset) << i;
        EXPECT_EQ(found->codes[i].operation, expected[i].operation) << i;
        EXPECT_EQ(found->codes[i].info, expected[i].info) << i;
        EXPECT_EQ(found->codes[i].operand, expected[i].operand) << i;
    }
}

TEST(UnwindX64Test, DecodesEpilogCodesOfVersion2) {
    const Bytes bytes = {0x02, 0x04, 3,    0x00, // version 2, 3 slots
                         0x05, 0x16, 0x20, 0x06, // epilogues of 5 bytes, one at the end, one 0x20 before it
                         0x04, 0x42,             // allocate 0x28
                         0x00, 0x00};
    const auto found = info(bytes);
    ASSERT_TRUE(found) << found.error().message();
    ASSERT_EQ(found->codes.size(), 2u);
    EXPECT_EQ(found->codes[0].operation, 6);
    EXPECT_EQ(found->codes[0].prolog_offset, 5);
    EXPECT_EQ(found->codes[0].info, 1);
    EXPECT_EQ(found->codes[0].operand, 0x0620u);
    EXPECT_EQ(found->size, 12u);
    Bytes first = bytes;
    first[0] = 1;
    EXPECT_FALSE(info(first)) << "version 1 has no such operation";
}

TEST(UnwindX64Test, ReadsHandlersAndChainsBehindAnEvenNumberOfSlots) {
    const auto handler = info({0x09, 0x04, 1, 0x00, 0x04, 0x42, 0, 0, 0x40, 0x10, 0x00, 0x00});
    ASSERT_TRUE(handler) << handler.error().message();
    EXPECT_EQ(handler->flags, 1);
    EXPECT_EQ(handler->handler, Rva{0x1040});
    EXPECT_EQ(handler->size, 12u);
    EXPECT_EQ(handler->handler_data, Rva{0x1200});
    EXPECT_FALSE(handler->chained);

    const auto chained = info({0x21, 0, 0, 0, 0x00, 0x10, 0, 0, 0x20, 0x10, 0, 0, 0x80, 0x10, 0, 0});
    ASSERT_TRUE(chained) << chained.error().message();
    EXPECT_EQ(chained->chained, (RuntimeFunction{{{0x1000}, 0x20}, {0x1080}}));
    EXPECT_FALSE(chained->handler);
    EXPECT_EQ(chained->size, 16u);
}

TEST(UnwindX64Test, RefusesWhatIsCutOff) {
    const Bytes whole = {0x09, 0x04, 2, 0x00, 0x08, 0x01, 0x10, 0x00, 0x40, 0x10, 0x00, 0x00};
    ASSERT_TRUE(info(whole));
    for (std::size_t size = 4; size < whole.size(); size += 4)
        EXPECT_EQ(info(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))).error().code(),
                  Code::pe_bad_directory);
    EXPECT_FALSE(info({0x01, 0x00, 0xff, 0x00}));                            // codes
    EXPECT_FALSE(info({0x01, 0x04, 1, 0x00, 0x08, 0x01, 0x10, 0x00}));       // an operand behind the last slot
    EXPECT_FALSE(info({0x01, 0x04, 2, 0x00, 0x08, 0x11, 0x10, 0x00}));       // likewise, of two slots
    EXPECT_FALSE(info({0x21, 0, 0, 0, 0x00, 0x10, 0, 0, 0x20, 0x10, 0, 0})); // chained entry
}

TEST(UnwindX64Test, RefusesWhatIsNotDefined) {
    for (const unsigned version : {0u, 3u, 4u, 7u})
        EXPECT_FALSE(info({static_cast<std::uint8_t>(version), 0, 0, 0})) << version;
    for (const unsigned flags : {5u, 6u, 7u, 8u, 16u})
        EXPECT_FALSE(info(
            {static_cast<std::uint8_t>(flags << 3 | 1), 0, 0, 0, 0x00, 0x10, 0, 0, 0x20, 0x10, 0, 0, 0, 0x10, 0, 0}));
    for (const unsigned operation : {6u, 7u, 11u, 12u, 15u})
        EXPECT_FALSE(info({1, 0, 4, 0, 0, static_cast<std::uint8_t>(operation), 0, 0, 0, 0, 0, 0})) << operation;
    EXPECT_FALSE(info({1, 0, 4, 0, 0, 0x21, 0, 0, 0, 0, 0, 0})); // allocation of a third kind
    EXPECT_FALSE(info({1, 0, 1, 0, 0, 0x2a, 0, 0}));             // machine frame of a third kind
    EXPECT_FALSE(info({0x09, 0, 0, 0, 0, 0, 0, 0x10}));          // handler outside the image
    EXPECT_FALSE(info({0x21, 0, 0, 0, 0x20, 0x10, 0, 0, 0x20, 0x10, 0, 0, 0, 0x10, 0, 0})); // empty chained entry
}

TEST(UnwindX64Test, RefusesAddressesThatCannotHoldUnwindInfo) {
    PeBuilder pe;
    pe.section(".xdata", PeBuilder::kReadOnly, Bytes(0x200, 0x01), 0x400);
    const Bytes file = pe.file();
    const auto image = Image::parse(file, Layout::file);
    EXPECT_FALSE(unwind_info_at(*image, {0x1001})); // an indirect entry, or not aligned
    EXPECT_FALSE(unwind_info_at(*image, {0x1002}));
    EXPECT_FALSE(unwind_info_at(*image, {0x1300})); // zero fill
    EXPECT_FALSE(unwind_info_at(*image, {0x2000}));
    EXPECT_FALSE(unwind_info_at(*image, {0xfffffffc}));
}

} // namespace
} // namespace suture::pe
