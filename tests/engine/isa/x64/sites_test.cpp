#include "engine/isa/x64/sites.hpp"
#include "tests/engine/isa/x64/disassembly.hpp"

#include <gtest/gtest.h>

#include <random>

namespace suture::isa::x64 {
namespace {

constexpr Rva kEntry{0x1000};
constexpr Va kBase{0x1'8000'0000};
constexpr Va kStub{0x1'9000'0000};
constexpr Va kCell = kStub + 0x1008;

/// A function and its neighbourhood, as hexadecimal text.
struct Function {
    const char* code = "";
    const char* before = "";
    const char* after = "";
    std::vector<std::uint32_t> inner_targets = {};
    std::vector<std::pair<std::uint32_t, const char*>> caves = {};
};

Result<Site> choose(const Function& function) {
    const Bytes code = hex(function.code), before = hex(function.before), after = hex(function.after);
    std::vector<Bytes> bytes;
    std::vector<SiteQuestion::Pad> caves;
    for (const auto& [at, text] : function.caves)
        bytes.push_back(hex(text));
    for (std::size_t i = 0; i < bytes.size(); ++i)
        caves.push_back({Rva{function.caves[i].first}, bytes[i]});
    return choose_site(
        {kEntry, static_cast<std::uint32_t>(code.size()), code, before, after, function.inner_targets, caves});
}

Result<void> prove(const Site& site, const char* entry_bytes, const char* pad_bytes = "") {
    return prove_site(site, hex(entry_bytes), hex(pad_bytes));
}

Site padded(std::uint32_t displaced) {
    return {SiteKind::x64_padded, kEntry, 2, kEntry - 5, displaced};
}
Site cave(std::uint32_t pad, std::uint32_t displaced) {
    return {SiteKind::x64_cave, kEntry, 2, Rva{pad}, displaced};
}
Site padded_wide(std::uint32_t displaced) {
    return {SiteKind::x64_padded, kEntry, 2, kEntry - 6, displaced, 6};
}
Site cave_wide(std::uint32_t pad, std::uint32_t displaced) {
    return {SiteKind::x64_cave, kEntry, 2, Rva{pad}, displaced, 6};
}
Site prologue(std::uint32_t displaced) {
    return {SiteKind::x64_prologue, kEntry, 5, {}, displaced};
}
Site prologue_wide(std::uint32_t displaced) {
    return {SiteKind::x64_prologue, kEntry, 6, {}, displaced};
}
Site tail(std::uint32_t displaced) {
    return {SiteKind::x64_tail, kEntry, 5, {}, displaced};
}
Site tail_wide(std::uint32_t displaced) {
    return {SiteKind::x64_tail, kEntry, 6, {}, displaced};
}

constexpr const char* kCc = "cc cc cc cc cc";
constexpr const char* kNop10 = "66 2e 0f 1f 84 00 00 00 00 00";

TEST(ChooseSite, TakesTheBestKindThatFits) {
    const struct {
        const char* what;
        Function function;
        Site site;
    } cases[] = {
        {"mov rbp, rsp", {"48 89 e5 c3", kCc}, padded(3)},
        {"2-byte nop", {"66 90 c3", "cc cc cc cc cc cc"}, padded(2)},
        {"pad of nops", {"48 83 ec 28 c3", "90 90 90 90 90"}, padded(4)},
        {"pad in a long nop", {"48 83 ec 28 c3", kNop10}, padded(4)},
        {"xor eax, eax; ret", {"31 c0 c3", kCc}, padded(2)},
        {"import thunk", {"ff 25 00 00 00 00", kCc}, prologue_wide(6)},
        {"sub rsp, 0x88", {"48 81 ec 88 00 00 00 c3", kCc}, prologue_wide(7)},
        {"call first", {"e8 10 00 00 00 c3", kCc}, prologue(5)},
        {"mov [rsp+8], rbx", {"48 89 5c 24 08 57 c3", "cc cc cc cc cc cc"}, prologue(5)},
        {"target at the first instruction's end", {"66 90 48 89 e5 c3", kCc, "", {2}}, padded(2)},
        {"target far inside", {"48 89 e5 90 90 90 c3", kCc, "", {4}}, padded(3)},

        {"cave before", {"48 89 e5 c3", "", "", {}, {{0xff0, "cc cc cc cc cc cc"}}}, cave(0xff1, 3)},
        {"cave behind", {"48 89 e5 c3", "cc cc", "", {}, {{0x1010, kCc}}}, cave(0x1010, 3)},
        {"the nearest", {"48 89 e5 c3", "", "", {}, {{0xfe0, kCc}, {0x1010, kCc}, {0x1030, kCc}}}, cave(0x1010, 3)},
        {"of two the lower", {"48 89 e5 c3", "", "", {}, {{0xff0, kCc}, {0x1010, kCc}}}, cave(0xff0, 3)},
        {"the last in reach", {"48 89 e5 c3", "", "", {}, {{0x1081, kCc}}}, cave(0x1081, 3)},
        {"the first in reach", {"48 89 e5 c3", "", "", {}, {{0xf82, kCc}}}, cave(0xf82, 3)},
        {"the end of a big cave", {"48 89 e5 c3", "", "", {}, {{0xf80, "cc cc cc cc cc cc cc cc"}}}, cave(0xf83, 3)},
        {"a long nop is not cut behind", {"48 89 e5 c3", "", "", {}, {{0x1010, kNop10}}}, cave(0x1015, 3)},
        {"a cave that adjoins is the pad",
         {"48 89 e5 c3", "", "", {}, {{0xff8, "cc cc cc cc cc cc cc cc"}}},
         padded(3)},

        {"push first", {"55 48 89 e5 53 c3", kCc}, prologue_wide(6)},
        {"no pad", {"48 83 ec 28 31 c0 c3"}, prologue_wide(6)},
        {"zeros are no pad", {"48 83 ec 28 31 c0 c3", "00 00 00 00 00"}, prologue_wide(6)},
        {"a mixture is no pad", {"48 83 ec 28 31 c0 c3", "90 cc cc cc cc cc"}, prologue_wide(6)},
        {"cave beyond reach", {"48 83 ec 28 31 c0 c3", "", "", {}, {{0x1082, kCc}, {0x2000, kCc}}}, prologue_wide(6)},
        {"cave before reach", {"48 83 ec 28 31 c0 c3", "", "", {}, {{0xf7d, kCc}}}, prologue_wide(6)},
        {"cave too small", {"48 83 ec 28 31 c0 c3", "", "", {}, {{0xff0, "cc cc cc cc"}}}, prologue_wide(6)},
        {"cave of zeros", {"48 83 ec 28 31 c0 c3", "", "", {}, {{0xff0, "00 00 00 00 00"}}}, prologue_wide(6)},
        {"a long instruction behind 5 bytes", {"55 41 56 56 53 48 b8 00 00 00 00 00 00 00 00 c3"}, prologue_wide(15)},
        {"and from the fifth on", {"55 41 56 56 48 b8 00 00 00 00 00 00 00 00 c3"}, prologue_wide(14)},
        {"target at the end", {"55 48 89 e5 53 c3", "", "", {5}}, prologue(5)},
        {"only 5 bytes", {"55 48 89 e5 c3"}, prologue(5)},
        {"what follows 5 bytes cannot be moved", {"55 41 56 56 53 e2 10 c3"}, prologue(5)},
        {"a call that ends with the fifth byte", {"48 89 ce ff d0 90 c3"}, prologue(5)},

        {"ret", {"c3", "", "cc cc cc cc"}, tail(1)},
        {"xor eax, eax; ret", {"31 c0 c3", "", "90 90"}, tail(3)},
        {"long nop behind", {"31 c0 c3", "", kNop10}, tail(3)},
        {"a pad of which the far end is taken", {"c3", "", "cc cc cc cc 66 0f 1f 84"}, tail(1)},
        {"int3; ret", {"cc c3", kCc, "cc cc cc"}, tail(2)},
        {"jmp short", {"eb 20", "", "cc cc cc"}, tail(2)},
        {"ud2", {"0f 0b", "", "cc cc cc"}, tail(2)},
    };
    for (const auto& c : cases) {
        const auto site = choose(c.function);
        ASSERT_TRUE(site) << c.what << ": " << site.error().message();
        EXPECT_EQ(*site, c.site) << c.what << ": " << name_of(site->kind) << " pad " << std::hex << site->pad.value;
    }
}

TEST(ChooseSite, SaysWhyThereIsNone) {
    const struct {
        Function function;
        const char* why;
    } cases[] = {
        {{""}, "no code"},
        {{"06 90 90 90 90 90", kCc}, "no whole instruction at the entry"},
        {{"55 48 89 e5 53 c3", "", "", {1}}, "entry+0x1"},
        {{"55 48 89 e5 53 c3", "", "", {4}}, "entry+0x4"},
        {{"48 89 e5 53 c3", kCc, "", {2, 3}}, "entry+0x2"},
        {{"55 e2 10 90 90 c3"}, "loop"},
        {{"55 06 90 90 90 c3"}, "no whole instruction at entry+0x1"},
        {{"55 90 ff d0 90 c3"}, "return into displaced"},
        {{"c3", kCc, "cc cc cc"}, "1 bytes and no fill behind"},
        {{"c3", "", "00 00 00 00"}, "no fill behind"},
        {{"31 c0 c3", "", "cc 90"}, "no fill behind"},
        {{"31 c0", "", "cc cc cc"}, "does not end in a return"},
        {{"90 90 90 cc", "", "cc cc cc"}, "does not end in a return"},
        {{"ff d0", "", "cc cc cc"}, "does not end in a return"},
        {{"90 eb fd", "", "cc cc"}, ""}, // nop; jmp to entry: a loop to the entry is fine
    };
    for (const auto& c : cases) {
        const auto site = choose(c.function);
        if (*c.why == 0) {
            EXPECT_TRUE(site) << c.function.code;
            continue;
        }
        ASSERT_FALSE(site) << c.function.code;
        EXPECT_EQ(site.error().code(), Code::site_none);
        EXPECT_NE(site.error().detail().find(c.why), std::string::npos) << site.error().detail();
    }
}

TEST(ProveSite, AcceptsWhatTheKindRequires) {
    const struct {
        Site site;
        const char* entry;
        const char* pad;
    } cases[] = {
        {padded(3), "48 89 e5", kCc},
        {padded(2), "66 90 c3", "c3 90 90 90 90 90"},
        {padded(4), "48 83 ec 28", "c3 48 89 e5 c3 66 2e 0f 1f 84 00 00 00 00 00"},
        {cave(0x1015, 3), "48 89 e5 c3", kNop10},
        {cave(0x1081, 3), "48 89 e5 c3", kCc},
        {cave(0xf82, 3), "48 89 e5 c3", kCc},
        {padded_wide(3), "48 89 e5", "cc cc cc cc cc cc"},
        {padded_wide(3), "48 89 e5", "c3 66 0f 1f 44 00 00"},
        {padded_wide(4), "48 83 ec 28", "c3 48 89 e5 c3 66 2e 0f 1f 84 00 00 00 00 00"},
        {cave_wide(0x1014, 3), "48 89 e5 c3", kNop10},
        {prologue(5), "55 48 89 e5 53 c3", ""},
        {prologue(6), "48 83 ec 28 31 c0", ""},
        {prologue_wide(6), "55 48 89 e5 53 c3", ""},
        {prologue_wide(7), "48 81 ec 88 00 00 00", ""},
        {tail(1), "c3 cc cc cc cc", ""},
        {tail_wide(1), "c3 cc cc cc cc cc", ""},
        {tail_wide(5), "e9 10 00 00 00 90", ""},
        {tail(3), "31 c0 c3 66 2e 0f 1f 84 00 00 00 00 00 55", ""},
    };
    for (const auto& c : cases) {
        const auto proved = prove(c.site, c.entry, c.pad);
        EXPECT_TRUE(proved) << c.entry << ": " << proved.error().message();
    }
}

TEST(ProveSite, RefusesWhatDiffersFromTheKind) {
    const auto changed = [](Site site, auto change) { return change(site), site; };
    const struct {
        Site site;
        const char* entry;
        const char* pad;
        const char* why;
    } cases[] = {
        {padded(3), "48 89 e5", "cc cc cc cc", "something else than fill"},
        {padded(3), "48 89 e5", "cc cc cc cc c3", "something else than fill"},
        {padded(3), "48 89 e5", "00 00 00 00 00", "something else than fill"},
        {padded(3), "48 89 e5", "e9 00 00 00 00", "something else than fill"}, // someone was here before
        {padded(3), "48 89 e5", "", "something else than fill"},
        {padded_wide(3), "48 89 e5", "c3 cc cc cc cc cc", "something else than fill"},
        {padded_wide(3), "48 89 e5", kCc, "something else than fill"},
        {changed(padded_wide(3), [](Site& s) { s.pad = Rva{0xffb}; }), "48 89 e5", "cc cc cc cc cc cc",
         "not where the kind has it"},
        {changed(padded(3), [](Site& s) { s.pad_size = 4; }), "48 89 e5", kCc, "a pad of 4 bytes"},
        {changed(padded(3), [](Site& s) { s.pad_size = 7; }), "48 89 e5", "cc cc cc cc cc cc cc", "a pad of 7 bytes"},
        {cave_wide(0xffb, 3), "48 89 e5", "cc cc cc cc cc cc", "overlaps"},
        {cave_wide(0xffa, 3), "48 89 e5", "cc cc cc cc cc cc", "not where the kind has it"},
        {cave_wide(0x1082, 3), "48 89 e5", "cc cc cc cc cc cc", "beyond a short jump"},
        {padded(2), "48 89 e5", kCc, "not 2 bytes"},
        {padded(4), "48 89 e5 c3", kCc, "not 4 bytes"},
        {padded(1), "55 48", kCc, "not 1 bytes"},
        {padded(3), "eb f9 e5", kCc, "not 3 bytes"},
        {padded(2), "e2 10", kCc, "loop"},
        {padded(0), "48 89 e5", kCc, "0 displaced"},
        {padded(3), "48 89", kCc, "2 bytes at the entry"},
        {changed(padded(3), [](Site& s) { s.entry_size = 5; }), "48 89 e5 c3 c3", kCc, "5 bytes at the entry"},
        {changed(padded(3), [](Site& s) { s.pad = Rva{0xffa}; }), "48 89 e5", kCc, "not where the kind has it"},
        {cave(0xffb, 3), "48 89 e5", kCc, "not where the kind has it"},
        {cave(0x1082, 3), "48 89 e5", kCc, "beyond a short jump"},
        {cave(0xf81, 3), "48 89 e5", kCc, "beyond a short jump"},
        {cave(0xffe, 3), "48 89 e5", kCc, "overlaps"},
        {cave(0x1002, 3), "48 89 e5", kCc, "overlaps"},
        {prologue(4), "48 83 ec 28 31 c0", "", "no whole instruction"},
        {prologue(5), "48 83 ec 28 31 c0", "", "no whole instruction"},
        {prologue(7), "55 48 89 e5 53 31 c0", "", "5 bytes long, not 7"},
        {prologue(5), "e2 10 90 90 90", "", "loop"},
        {prologue(6), "48 83 ec 28 31", "", "5 bytes at the entry, 6 displaced"},
        {changed(prologue(5), [](Site& s) { s.pad = Rva{0x10}; }), "55 48 89 e5 53", "", "has no pad"},
        {prologue_wide(5), "55 48 89 e5 53 c3", "", "no whole instruction"},
        {prologue_wide(8), "48 83 ec 28 31 c0 31 c0", "", "6 bytes long, not 8"},
        {changed(prologue_wide(7), [](Site& s) { s.entry_size = 7; }), "48 81 ec 88 00 00 00", "",
         "7 bytes at the entry"},
        {changed(padded(6), [](Site& s) { s.entry_size = 6; }), "ff 25 00 00 00 00", kCc, "6 bytes at the entry"},
        {tail(5), "48 83 ec 28 c3", "", "need no tail"},
        {tail_wide(6), "48 83 ec 28 90 c3", "", "need no tail"},
        {tail_wide(3), "31 c0 c3 cc cc", "", "5 bytes at the entry"},
        {tail_wide(3), "31 c0 c3 cc cc 55", "", "something else than fill follows"},
        {tail(3), "31 c0 c3", "", "3 bytes at the entry"},
        {tail(3), "31 c0 c3 55 c3", "", "something else than fill follows"},
        {tail(3), "31 c0 c3 66 2e", "", "something else than fill follows"},
        {tail(2), "31 c0 cc cc cc", "", "does not end"},
        {changed(tail(1), [](Site& s) { s.entry_size = 2; }), "c3 cc cc cc cc", "", "2 bytes at the entry"},
        {{SiteKind::arm64_branch, kEntry, 4, {}, 4}, "48 83 ec 28", "", "arm64-branch"},
    };
    for (const auto& c : cases) {
        const auto proved = prove(c.site, c.entry, c.pad);
        ASSERT_FALSE(proved) << c.entry << " / " << c.pad << ": " << c.why;
        EXPECT_EQ(proved.error().code(), Code::site_unproved);
        EXPECT_NE(proved.error().detail().find(c.why), std::string::npos) << proved.error().detail();
    }
}

TEST(EncodeSite, WritesThePadBeforeTheEntry) {
    const struct {
        Site site;
        Rva branch_at;
        const char* branch;
        const char* branch_text;
        const char* entry;
        const char* entry_text;
    } cases[] = {
        {padded(3), Rva{0xffb}, "e9 00 f0 ff 0f", "jmp 0x0000000190000000", "eb f9", "jmp 0x0000000180000FFB"},
        {cave(0x1081, 3), Rva{0x1081}, "e9 7a ef ff 0f", "jmp 0x0000000190000000", "eb 7f", "jmp 0x0000000180001081"},
        {cave(0xf82, 3), Rva{0xf82}, "e9 79 f0 ff 0f", "jmp 0x0000000190000000", "eb 80", "jmp 0x0000000180000F82"},
        {padded_wide(3), Rva{0xffa}, "ff 25 08 00 00 10", "jmp [0x0000000190001008]", "eb f8",
         "jmp 0x0000000180000FFA"},
        {cave_wide(0x1081, 3), Rva{0x1081}, "ff 25 81 ff ff 0f", "jmp [0x0000000190001008]", "eb 7f",
         "jmp 0x0000000180001081"},
        {prologue(6), kEntry, "e9 fb ef ff 0f", "jmp 0x0000000190000000", nullptr, nullptr},
        {tail(1), kEntry, "e9 fb ef ff 0f", "jmp 0x0000000190000000", nullptr, nullptr},
        {prologue_wide(6), kEntry, "ff 25 02 00 00 10", "jmp [0x0000000190001008]", nullptr, nullptr},
        {tail_wide(1), kEntry, "ff 25 02 00 00 10", "jmp [0x0000000190001008]", nullptr, nullptr},
    };
    for (const auto& c : cases) {
        const auto writes = encode_site(c.site, kBase, kStub, kCell);
        ASSERT_TRUE(writes);
        ASSERT_EQ(writes->size(), c.entry ? 2u : 1u);
        EXPECT_EQ((*writes)[0].at, c.branch_at);
        EXPECT_EQ((*writes)[0].bytes, hex(c.branch));
        EXPECT_EQ(disassemble((*writes)[0].bytes, kBase + c.branch_at.value), Text{c.branch_text});
        if (!c.entry)
            continue;
        EXPECT_EQ((*writes)[1].at, kEntry);
        EXPECT_EQ((*writes)[1].bytes, hex(c.entry));
        EXPECT_EQ(disassemble((*writes)[1].bytes, kBase + kEntry.value), Text{c.entry_text});
    }
}

TEST(NeedsNoStop, WhereOneInstructionChanges) {
    const Isa& isa = *isa_for(Machine::x64);
    EXPECT_TRUE(isa.needs_no_stop(padded(3), hex("48 89 e5")));
    EXPECT_TRUE(isa.needs_no_stop(cave(0x1081, 3), hex("48 89 e5")));
    EXPECT_TRUE(isa.needs_no_stop(prologue(5), hex("48 89 5c 24 08")));
    EXPECT_TRUE(isa.needs_no_stop(prologue(7), hex("48 81 ec 88 00 00 00")));
    EXPECT_TRUE(isa.needs_no_stop(prologue_wide(7), hex("48 81 ec 88 00 00 00")));
    EXPECT_TRUE(isa.needs_no_stop(tail(1), hex("c3 cc cc cc cc")));
    EXPECT_TRUE(isa.needs_no_stop(tail_wide(5), hex("e9 10 00 00 00 90")));
    EXPECT_FALSE(isa.needs_no_stop(prologue(5), hex("55 48 89 e5 53")));
    EXPECT_FALSE(isa.needs_no_stop(prologue_wide(6), hex("48 89 5c 24 08 57")));
    EXPECT_FALSE(isa.needs_no_stop(tail(3), hex("31 c0 c3 90 90")));
    EXPECT_FALSE(isa.needs_no_stop(prologue(5), hex("06 06 06 06 06")));
}

TEST(EncodeSite, RefusesACellOutOfReach) {
    for (const Site& site : {padded_wide(3), cave_wide(0x1014, 3), prologue_wide(6), tail_wide(1)}) {
        const Va behind = kBase + (site.uses_pad() ? site.pad : site.entry).value + 6;
        for (const Va cell : {behind + 0x8000'0000, behind - 0x8000'0001, Va{0}}) {
            const auto writes = encode_site(site, kBase, kStub, cell);
            ASSERT_FALSE(writes);
            EXPECT_EQ(writes.error().code(), Code::branch_out_of_reach);
        }
        EXPECT_TRUE(encode_site(site, kBase, kStub, behind + 0x7fff'ffff));
        EXPECT_TRUE(encode_site(site, kBase, kStub, behind - 0x8000'0000));
    }
}

TEST(EncodeSite, RefusesAStubOutOfReach) {
    for (const Site& site : {padded(3), cave(0x1081, 3), prologue(5), tail(1)}) {
        for (const Va stub : {kBase + 0x1'0000'0000, Va{0}, Va{0x7fff'0000'0000}}) {
            const auto writes = encode_site(site, kBase, stub, kCell);
            ASSERT_FALSE(writes);
            EXPECT_EQ(writes.error().code(), Code::branch_out_of_reach);
        }
    }
    EXPECT_FALSE(encode_site(cave(0x1082, 3), kBase, kStub, kCell)) << "the pad must be in reach of the short jump too";
}

TEST(Sites, AnyBytesGetAnAnswer) {
    std::mt19937 random(1);
    for (int i = 0; i < 100'000; ++i) {
        Bytes code(random() % 24), pad(random() % 24), after(random() % 8);
        for (Bytes* bytes : {&code, &pad, &after})
            for (std::uint8_t& byte : *bytes)
                byte = static_cast<std::uint8_t>(random());
        if (random() % 2 == 0)
            pad.assign(pad.size(), 0xcc);
        const std::uint32_t targets[] = {static_cast<std::uint32_t>(random() % 24)};
        const SiteQuestion::Pad caves[] = {{Rva{static_cast<std::uint32_t>(random() % 0x200)}, pad}};
        const auto site = choose_site({Rva{static_cast<std::uint32_t>(random() % 0x200)},
                                       static_cast<std::uint32_t>(random() % 32), code, pad, after, targets, caves});
        EXPECT_TRUE(!site || encode_site(*site, kBase, kBase, kBase));
        const Site any{static_cast<SiteKind>(random() % 7),       Rva{static_cast<std::uint32_t>(random())},
                       static_cast<std::uint32_t>(random() % 7),  Rva{static_cast<std::uint32_t>(random())},
                       static_cast<std::uint32_t>(random() % 24), static_cast<std::uint32_t>(random() % 8)};
        static_cast<void>(prove_site(any, code, pad));
    }
}

} // namespace
} // namespace suture::isa::x64
