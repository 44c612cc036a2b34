#include "engine/pe/unwind_arm64.hpp"
#include "tests/support/pe_builder.hpp"

#include <gtest/gtest.h>

namespace suture::pe {
namespace {

using test::PeBuilder;

constexpr Rva kFunction{0x1000};

/// An image with `.text` at 0x1000 and the record at the end of `.xdata`, so that nothing follows it.
PeBuilder image_with(const Bytes& record, Rva& at) {
    PeBuilder pe;
    pe.machine = Machine::arm64;
    pe.section(".text", PeBuilder::kCode, Bytes(0x200));
    Bytes filled(0x200 - record.size());
    filled.insert(filled.end(), record.begin(), record.end());
    at = pe.section(".xdata", PeBuilder::kReadOnly, filled) + static_cast<std::uint32_t>(0x200 - record.size());
    return pe;
}

/// The unwind data of a function of `size` bytes with this record, read from a file and from a mapping.
Result<UnwindInfoArm64> info(const Bytes& record, std::uint32_t size) {
    Rva at;
    const PeBuilder pe = image_with(record, at);
    const Bytes file = pe.file();
    const Bytes mapped = pe.mapped();
    auto found = unwind_info_arm64_of(*Image::parse(file, Layout::file), {{kFunction, size}, at});
    EXPECT_EQ(found.has_value(),
              unwind_info_arm64_of(*Image::parse(mapped, Layout::mapped), {{kFunction, size}, at}).has_value());
    return found;
}

Result<UnwindInfoArm64> packed(std::uint32_t word, std::uint32_t size) {
    Rva at;
    const Bytes file = image_with({}, at).file();
    return unwind_info_arm64_of(*Image::parse(file, Layout::file), {{kFunction, size}, {}, word});
}

void append_all(Bytes& bytes, std::initializer_list<std::uint32_t> words) {
    for (const std::uint32_t word : words)
        test::append(bytes, word);
}

Bytes words(std::initializer_list<std::uint32_t> values) {
    Bytes bytes;
    append_all(bytes, values);
    return bytes;
}

/// First word of a record: bytes of the function, flags X and E, epilogues, words of codes.
std::uint32_t header(std::uint32_t size, bool handler, bool single, std::uint32_t epilogs, std::uint32_t code_words) {
    return size / 4 | (handler ? 1u << 20 : 0) | (single ? 1u << 21 : 0) | epilogs << 22 | code_words << 27;
}

TEST(UnwindArm64Test, ReadsARecordWithOneEpilogue) {
    // save_fplr_x #32; end; nops
    const auto found = info(words({header(0x40, false, true, 0, 1), 0xe3e3e483}), 0x40);
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(found->function_size, 0x40u);
    EXPECT_TRUE(found->single_epilog);
    EXPECT_EQ(found->single_epilog_code, 0u);
    EXPECT_TRUE(found->epilogs.empty());
    EXPECT_EQ(found->codes, (Bytes{0x83, 0xe4, 0xe3, 0xe3}));
    EXPECT_EQ(found->size, 8u);
    EXPECT_FALSE(found->handler);
    EXPECT_FALSE(found->fragment);
    EXPECT_EQ(found->packed, 0u);
}

TEST(UnwindArm64Test, ReadsEpilogueScopesAndTheHandler) {
    // two epilogues, at 0x20 with the prologue's codes and at 0x60 with their own
    const auto found = info(words({header(0x80, true, false, 2, 2), 0x20 / 4, 0x60 / 4 | 4u << 22, 0xe481c8d6,
                                   0xe3e3e483, 0x1040, 0x11223344}),
                            0x80);
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(found->epilogs, (std::vector<EpilogArm64>{{0x20, 0}, {0x60, 4}}));
    EXPECT_EQ(found->codes.size(), 8u);
    EXPECT_EQ(found->handler, Rva{0x1040});
    EXPECT_EQ(found->handler_at, 20u);
    EXPECT_EQ(found->size, 24u);
    EXPECT_EQ(found->handler_data, Rva{0x2200 - 4});
}

TEST(UnwindArm64Test, ReadsTheExtendedHeader) {
    Bytes record = words({header(0x200, false, false, 0, 0), 33 | 40u << 16});
    for (std::uint32_t i = 0; i < 33; ++i)
        test::append(record, i * 2);
    for (std::uint32_t i = 0; i < 40; ++i)
        test::append(record, 0xe3e3e3e4);
    const auto found = info(record, 0x200);
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(found->epilogs.size(), 33u);
    EXPECT_EQ(found->epilogs[32].start, 32u * 8);
    EXPECT_EQ(found->codes.size(), 160u);
    EXPECT_EQ(found->size, record.size());
}

TEST(UnwindArm64Test, TellsAFragmentFromAFunction) {
    // end_c, then the codes of the prologue that lies elsewhere: save_fplr_x #32; end
    const auto record = info(words({header(0x40, false, false, 0, 1), 0xe3e483e5}), 0x40);
    ASSERT_TRUE(record) << record.error().message();
    EXPECT_TRUE(record->fragment);
    const auto entry = packed(2 | 0x10 << 2, 0x40);
    ASSERT_TRUE(entry) << entry.error().message();
    EXPECT_TRUE(entry->fragment);
    // A function without a prologue is one of its own.
    const auto leaf = info(words({header(0x40, false, true, 0, 1), 0xe3e3e3e4}), 0x40);
    ASSERT_TRUE(leaf) << leaf.error().message();
    EXPECT_FALSE(leaf->fragment);
}

TEST(UnwindArm64Test, ReadsPackedEntries) {
    const std::uint32_t word = 1 | 0x10 << 2 | 2 << 16 | 3u << 21 | 2u << 23; // 0x40 bytes, x19-x20, chained frame
    const auto found = packed(word, 0x40);
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(found->packed, word);
    EXPECT_EQ(found->function_size, 0x40u);
    EXPECT_EQ(found->size, 0u);
    EXPECT_FALSE(found->fragment);
    EXPECT_TRUE(found->codes.empty());
}

TEST(UnwindArm64Test, RefusesPackedEntriesThatAreNone) {
    EXPECT_FALSE(packed(3 | 0x10 << 2, 0x40));            // flag 3
    EXPECT_FALSE(packed(4 << 2, 0x10));                   // flag 0
    EXPECT_FALSE(packed(1 | 0x10 << 2, 0x44));            // of another size
    EXPECT_FALSE(packed(1 | 0x10 << 2 | 11 << 16, 0x40)); // x29 among the integer registers
}

TEST(UnwindArm64Test, SizesEveryCode) {
    struct Range {
        unsigned first, last, size;
    };
    for (const Range& range : {Range{0x00, 0xbf, 1}, Range{0xc0, 0xdf, 2}, Range{0xe0, 0xe0, 4}, Range{0xe1, 0xe1, 1},
                               Range{0xe2, 0xe2, 2}, Range{0xe3, 0xe6, 1}, Range{0xe7, 0xe7, 3}, Range{0xe8, 0xec, 1},
                               Range{0xed, 0xfb, 0}, Range{0xfc, 0xfc, 1}, Range{0xfd, 0xff, 0}})
        for (unsigned first = range.first; first <= range.last; ++first) {
            const Bytes code = {static_cast<std::uint8_t>(first), 0, 0, 0};
            EXPECT_EQ(unwind_code_size_arm64(code), range.size) << first;
            if (range.size > 1) {
                EXPECT_EQ(unwind_code_size_arm64(*ByteView(code).slice(0, range.size - 1)), 0u) << first;
            }
        }
    EXPECT_EQ(unwind_code_size_arm64({}), 0u);
}

TEST(UnwindArm64Test, ComparesWhatRecordsSayOfFrames) {
    const Bytes record = words({header(0x80, true, false, 1, 1), 0x20 / 4, 0xe3e3e483, 0x1040});
    const auto one = info(record, 0x80);
    ASSERT_TRUE(one) << one.error().message();
    Bytes other = record;
    test::put(other, 12, std::uint32_t{0x1080}); // another handler
    EXPECT_TRUE(one->same_frames(*info(other, 0x80)));
    for (const Bytes& changed : {
             words({header(0x84, true, false, 1, 1), 0x20 / 4, 0xe3e3e483, 0x1040}),
             words({header(0x80, false, false, 1, 1), 0x20 / 4, 0xe3e3e483}),
             words({header(0x80, true, true, 0, 1), 0xe3e3e483, 0x1040}),
             words({header(0x80, true, false, 1, 1), 0x24 / 4, 0xe3e3e483, 0x1040}),
             words({header(0x80, true, false, 1, 1), 0x20 / 4 | 1u << 22, 0xe3e3e483, 0x1040}),
             words({header(0x80, true, false, 1, 1), 0x20 / 4, 0xe3e3e482, 0x1040}),
         }) {
        const auto found = info(changed, (*ByteView(changed).read<std::uint32_t>(0) & 0x3ffff) * 4);
        ASSERT_TRUE(found) << found.error().message();
        EXPECT_FALSE(one->same_frames(*found));
    }
    EXPECT_FALSE(packed(1 | 0x10 << 2, 0x40)->same_frames(*packed(1 | 0x10 << 2 | 1 << 16, 0x40)));
}

TEST(UnwindArm64Test, RefusesWhatIsCutOff) {
    const Bytes whole =
        words({header(0x80, true, false, 2, 2), 0x20 / 4, 0x60 / 4 | 4u << 22, 0xe481c8d6, 0xe3e3e483, 0x1040});
    ASSERT_TRUE(info(whole, 0x80));
    for (std::size_t size = 4; size < whole.size(); size += 4)
        EXPECT_EQ(info(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)), 0x80).error().code(),
                  Code::pe_bad_directory);
    EXPECT_FALSE(info(words({header(0x40, false, false, 0, 0)}), 0x40));                       // extension
    EXPECT_FALSE(info(words({header(0x40, false, false, 0, 0), 0xffff | 0xffu << 16}), 0x40)); // the largest there is
    EXPECT_FALSE(info({}, 0x40));
}

TEST(UnwindArm64Test, RefusesWhatIsNotDefined) {
    for (const Bytes& record : {
             words({header(0x40, false, true, 0, 1) | 1u << 18, 0xe3e3e3e4}), // version 1
             words({header(0x40, false, false, 0, 0), 1u << 24, 0xe3e3e3e4}), // reserved bits of the extension
             words({header(0x40, false, false, 0, 0), 0}),                    // no codes at all
             words({header(0x44, false, true, 0, 1), 0xe3e3e3e4}),            // of another size than the entry
             words({header(0x40, false, true, 0, 1), 0xe3e3e3e3}),            // codes without an end
             words({header(0x40, false, true, 0, 1), 0xe4e3e3ed}),            // a reserved code
             words({header(0x40, false, true, 0, 1), 0xe4e3e3fd}),            // likewise
             words({header(0x40, false, true, 0, 1), 0xe7e3e3e3}),            // an operand behind the last word
             words({header(0x40, false, true, 4, 1), 0xe3e3e3e4}),            // an epilogue without codes
             words({header(0x40, false, false, 1, 1), 0x40 / 4, 0xe3e3e3e4}), // an epilogue behind the function
             words({header(0x40, false, false, 1, 1), 1u << 22, 0xede3e3e4}), // an epilogue with a reserved code
             words({header(0x40, false, false, 1, 1), 1u << 22, 0xe7e3e3e4}), // an operand behind the last word
             words({header(0x40, false, false, 1, 1), 4u << 22, 0xe3e3e3e4}), // an epilogue that is empty
             words({header(0x40, true, true, 0, 1), 0xe3e3e3e4, 0x10000000}), // a handler outside the image
         })
        EXPECT_FALSE(info(record, 0x40)) << record.size();
}

TEST(UnwindArm64Test, AnEpilogueMayEndWithTheLastWord) {
    // As MSVC writes it; a prologue may not.
    const auto found =
        info(words({header(0x40, false, false, 1, 2), 0x20 / 4 | 4u << 22, 0xe3e3e483, 0xe3e38302}), 0x40);
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(found->epilogs, (std::vector<EpilogArm64>{{0x20, 4}}));
}

TEST(UnwindArm64Test, RefusesAddressesThatCannotHoldARecord) {
    Rva at;
    const PeBuilder pe = image_with(words({header(0x40, false, true, 0, 1), 0xe3e3e483}), at);
    const Bytes file = pe.file();
    const auto image = Image::parse(file, Layout::file);
    EXPECT_TRUE(unwind_info_arm64_of(*image, {{kFunction, 0x40}, at}));
    for (const Rva rva : {at + 1u, at + 2u, Rva{0x9000}, Rva{0}, Rva{0xfffffffc}})
        EXPECT_FALSE(unwind_info_arm64_of(*image, {{kFunction, 0x40}, rva}));
}

TEST(UnwindArm64Test, ReadsTheExceptionDirectory) {
    Rva at;
    PeBuilder pe = image_with(words({header(0x40, false, true, 0, 1), 0xe3e3e483}), at);
    Bytes entries;
    append_all(entries, {0x1000, 1 | 0x10 << 2, 0x1040, at.value, 0x1080, 2 | 8 << 2});
    const Rva pdata = pe.section(".pdata", PeBuilder::kReadOnly, entries);
    pe.directory(Directory::exceptions, {pdata, static_cast<std::uint32_t>(entries.size())});
    const Bytes file = pe.file();
    const auto image = Image::parse(file, Layout::file);
    const auto found = runtime_functions_of(*image);
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(*found, (std::vector<RuntimeFunction>{{{{0x1000}, 0x40}, {}, 1 | 0x10 << 2},
                                                    {{{0x1040}, 0x40}, at, 0},
                                                    {{{0x1080}, 0x20}, {}, 2 | 8 << 2}}));
    for (const RuntimeFunction& function : *found)
        EXPECT_TRUE(unwind_info_arm64_of(*image, function));

    pe.directory(Directory::exceptions, {pdata, 20});
    const Bytes odd = pe.file();
    EXPECT_FALSE(runtime_functions_of(*Image::parse(odd, Layout::file)));
}

} // namespace
} // namespace suture::pe
