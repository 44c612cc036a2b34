#include "fixtures.hpp"
#include "patchgen/program/coff_symbols.hpp"
#include "patchgen/program/parse.hpp"
#include "patchgen/program/pdb_symbols.hpp"

#include <gmock/gmock.h>

#include <sstream>

namespace suture::program {
namespace {

using test::bytes_of;
using test::fixture;
using test::load;
using test::named;

/// Lines of a text that a tool wrote when the fixtures were built.
std::vector<std::string> lines_of(const std::string& name) {
    std::ifstream stream(fixture(name));
    std::vector<std::string> lines;
    for (std::string line; std::getline(stream, line);)
        lines.push_back(line);
    return lines;
}

TEST(CoffSymbolsTest, AgreeWithNm) {
    const auto program = load("gcc.dll");
    EXPECT_EQ(program->symbol_source(), "coff");
    std::size_t compared = 0;
    for (const auto& line : lines_of("gcc.nm")) {
        std::istringstream words(line);
        std::uint64_t address = 0;
        char kind = 0;
        std::string name;
        if (!(words >> std::hex >> address >> kind >> name) || (kind != 'T' && kind != 't') || name.starts_with("."))
            continue;
        const auto* function = named(*program, name);
        if (!function)
            continue;
        EXPECT_EQ(function->range.begin.value, address - program->image().image_base().value) << name;
        ++compared;
    }
    EXPECT_GE(compared, 10u);
    for (const char* name : {"dispatch", "decode", "guarded", "work", "folded_one", "loop", "library_entry"})
        EXPECT_NE(named(*program, name), nullptr) << name;
}

TEST(CoffSymbolsTest, KeepTheColdPartOfAFunctionAsAFunctionOfItsOwn) {
    const auto program = load("gcc.dll");
    const auto* cold = named(*program, "guarded.cold");
    ASSERT_NE(cold, nullptr);
    EXPECT_TRUE(cold->decoded);
    EXPECT_FALSE(cold->range.overlaps(named(*program, "guarded")->range));
}

TEST(CoffSymbolsTest, TakeNamesLongerThanEightBytesFromTheStringTable) {
    EXPECT_NE(named(*load("gcc.dll"), "library_entry"), nullptr);
}

TEST(CoffSymbolsTest, AreReadFromTheImageBeforeItWasStripped) {
    // GNU ld writes the same code whether it strips or not, but for the time stamp.
    Bytes stripped = bytes_of("gcc.dll");
    const std::size_t header = *ByteView(stripped).read<std::uint32_t>(0x3c) + 4;
    std::memset(stripped.data() + header + 8, 0, 8);
    const auto without = parse({.path = {}, .file = stripped, .symbols = {}});
    ASSERT_TRUE(without);
    EXPECT_EQ((*without)->symbol_source(), "image");
    const auto with = parse({.path = {}, .file = stripped, .symbols = bytes_of("gcc.dll")});
    ASSERT_TRUE(with) << with.error().message();
    EXPECT_EQ((*with)->symbol_source(), "coff");
    EXPECT_NE(named(**with, "dispatch"), nullptr);
}

TEST(CoffSymbolsTest, OfAnotherBuildAreRefused) {
    const auto program = parse({.path = {}, .file = bytes_of("clang.dll"), .symbols = bytes_of("gcc.dll")});
    ASSERT_FALSE(program);
    EXPECT_EQ(program.error().code(), Code::symbols_mismatch);
}

TEST(CoffSymbolsTest, ThatDoNotFitAreRefused) {
    Bytes bytes = bytes_of("gcc.dll");
    const std::size_t count = *ByteView(bytes).read<std::uint32_t>(0x3c) + 4 + 12;
    for (const std::uint32_t value : {0x00ffffffu, 0xffffffffu}) {
        std::memcpy(bytes.data() + count, &value, sizeof value);
        const auto program = parse({.path = {}, .file = bytes, .symbols = {}});
        ASSERT_FALSE(program);
        EXPECT_EQ(program.error().code(), Code::symbols_unreadable);
    }
}

TEST(SymbolNamesTest, ThatCompilersNumberMeanNothing) {
    for (const char* name : {"", "$SG123", ".text", ".LC0", "__unnamed_4", "__bss_start__", "___tls_end__"})
        EXPECT_TRUE(is_meaningless(name)) << name;
    for (const char* name : {"x", "$SGx", ".refptr.x", "__unnamed_", "??_C@_01A@", "data", "buffer.1234"})
        EXPECT_FALSE(is_meaningless(name)) << name;
}

TEST(PdbTest, IsKnownByItsFirstBytes) {
    EXPECT_TRUE(is_pdb(bytes_of("clang.pdb")));
    EXPECT_FALSE(is_pdb(bytes_of("clang.dll")));
    EXPECT_FALSE(is_pdb({}));
}

#ifdef SUTURE_HAVE_LLVM

TEST(PdbTest, AgreesWithPdbutil) {
    const auto program = load("clang.dll");
    EXPECT_EQ(program->symbol_source(), "pdb");
    // 4 | S_GPROC32 [size = 52] `dispatch`
    //     parent = 0, end = 132, addr = 0001:0000, code size = 143
    const auto lines = lines_of("clang.symbols");
    std::size_t compared = 0;
    for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
        if (lines[i].find("PROC32 [") == std::string::npos)
            continue;
        const auto open = lines[i].find('`'), close = lines[i].rfind('`');
        const auto size = lines[i + 1].find("code size = ");
        if (size == std::string::npos)
            continue;
        const auto* function = named(*program, lines[i].substr(open + 1, close - open - 1));
        ASSERT_NE(function, nullptr) << lines[i];
        EXPECT_EQ(function->range.size, std::stoul(lines[i + 1].substr(size + 12))) << lines[i];
        EXPECT_EQ(function->source, Source::pdb);
        ++compared;
    }
    EXPECT_GE(compared, 8u);
}

TEST(PdbTest, GivesFoldedFunctionsAllTheirNames) {
    const auto program = load("folded.dll");
    const auto* one = named(*program, "?folded_one@shapes@@YAHH@Z");
    ASSERT_NE(one, nullptr);
    EXPECT_THAT(one->names, testing::ElementsAre("?folded_one@shapes@@YAHH@Z", "?folded_two@shapes@@YAHH@Z"));
}

TEST(PdbTest, NamesFunctionsByTheirDecoratedNamesWhereTheyHaveOne) {
    const auto program = load("folded.dll");
    EXPECT_NE(named(*program, "?area@shapes@@YAHH@Z"), nullptr);
    EXPECT_NE(named(*program, "?area@shapes@@YAHHH@Z"), nullptr);
    EXPECT_EQ(named(*program, "shapes::area"), nullptr);
    EXPECT_NE(named(*program, "hidden"), nullptr);
}

TEST(PdbTest, OfAnotherBuildIsRefused) {
    const auto program = Program::load(fixture("clang.dll"), {.symbols = fixture("another.pdb")});
    ASSERT_FALSE(program);
    EXPECT_EQ(program.error().code(), Code::symbols_mismatch);
    EXPECT_EQ(program.error().place().image, fixture("another.pdb"));
}

TEST(PdbTest, IsRefusedForAnImageThatNamesNone) {
    const auto program = Program::load(fixture("gcc.dll"), {.symbols = fixture("clang.pdb")});
    ASSERT_FALSE(program);
    EXPECT_EQ(program.error().code(), Code::symbols_mismatch);
}

TEST(PdbTest, CutOffAnywhereIsRefusedOrRead) {
    const Bytes whole = bytes_of("clang.pdb");
    for (std::size_t size = 0; size < whole.size(); size += 512) {
        const auto program =
            parse({.path = {},
                   .file = bytes_of("clang.dll"),
                   .symbols = Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))});
        EXPECT_TRUE(program || program.error().code() == Code::symbols_unreadable) << size;
    }
}

#endif

} // namespace
} // namespace suture::program
