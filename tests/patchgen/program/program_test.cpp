#include "engine/pe/raw/load_config.hpp"
#include "fixtures.hpp"
#include "patchgen/program/parse.hpp"
#include "tests/support/pe_builder.hpp"

#include <gmock/gmock.h>

namespace suture::program {
namespace {

using test::fixture;
using test::load;
using test::named;

class EveryFixture : public testing::TestWithParam<const char*> {};

TEST_P(EveryFixture, HasFunctionsAndDataThatAscendAndDoNotOverlap) {
    const auto program = load(GetParam());
    for (std::size_t i = 1; i < program->functions().size(); ++i)
        EXPECT_LE(program->functions()[i - 1].range.end(), program->functions()[i].range.begin.value);
    for (std::size_t i = 1; i < program->data().size(); ++i)
        EXPECT_LE(program->data()[i - 1].range.end(), program->data()[i].range.begin.value);
}

TEST_P(EveryFixture, FindsEachFunctionByEachOfItsAddresses) {
    const auto program = load(GetParam());
    for (const auto& function : program->functions()) {
        EXPECT_EQ(program->function_at(function.range.begin), &function);
        EXPECT_EQ(program->function_at(function.range.begin + (function.range.size - 1)), &function);
    }
}

TEST_P(EveryFixture, HoldsTheFieldOfEveryReference) {
    const auto program = load(GetParam());
    for (const auto& function : program->functions()) {
        for (const auto& reference : function.references) {
            const Rva at = function.range.begin + reference.offset;
            const auto target = static_cast<std::int64_t>(reference.target.value);
            switch (reference.kind) {
            case ReferenceKind::branch:
            case ReferenceKind::rip_relative: {
                const std::int64_t value = reference.size == 1 ? program->image().read<std::int8_t>(at).value()
                                                               : program->image().read<std::int32_t>(at).value();
                EXPECT_EQ(value, target + reference.addend - std::int64_t{at.value});
                break;
            }
            case ReferenceKind::image_relative:
                EXPECT_EQ(program->image().read<std::uint32_t>(at), reference.target.value);
                break;
            case ReferenceKind::absolute:
                EXPECT_EQ(program->pointer_at(at), reference.target);
                break;
            default:
                ADD_FAILURE() << "not of this machine";
            }
            EXPECT_TRUE(function.instructions.contains(reference.instruction));
        }
    }
}

TEST_P(EveryFixture, HasPadsThatAreFillBetweenFunctionsAndThatNothingRefersTo) {
    const auto program = load(GetParam());
    EXPECT_FALSE(program->pads().empty());
    for (const auto& pad : program->pads()) {
        EXPECT_EQ(program->function_at(pad.begin), nullptr);
        EXPECT_EQ(program->data_at(pad.begin), nullptr);
        for (const auto& function : program->functions())
            for (const auto& reference : function.references)
                EXPECT_FALSE(pad.contains(reference.target));
    }
}

TEST_P(EveryFixture, IsReadTheSameTwice) {
    const auto one = load(GetParam()), other = load(GetParam());
    ASSERT_EQ(one->functions().size(), other->functions().size());
    for (std::size_t i = 0; i < one->functions().size(); ++i) {
        EXPECT_EQ(one->functions()[i].range, other->functions()[i].range);
        EXPECT_EQ(one->functions()[i].names, other->functions()[i].names);
        EXPECT_EQ(one->functions()[i].references, other->functions()[i].references);
        EXPECT_EQ(one->functions()[i].jump_tables, other->functions()[i].jump_tables);
    }
    EXPECT_TRUE(std::ranges::equal(one->data(), other->data()));
    EXPECT_TRUE(std::ranges::equal(one->pads(), other->pads()));
}

INSTANTIATE_TEST_SUITE_P(Fixtures, EveryFixture,
                         testing::Values("clang.dll", "gcc.dll", "stripped.dll", "msvc_style.dll", "unnamed.dll"),
                         [](const auto& tested) {
                             const std::string name = tested.param;
                             return name.substr(0, name.find('.'));
                         });

TEST(ProgramTest, FindsTheSameFunctionsWithoutSymbolsWhereUnwindDataListsThem) {
    const auto with = load("gcc.dll");
    const auto without = load("gcc.dll", {.symbols = {}, .use_symbols = false});
    EXPECT_EQ(without->symbol_source(), "image");
    for (const auto& function : without->functions()) {
        const auto* same = with->function_at(function.range.begin);
        ASSERT_NE(same, nullptr);
        EXPECT_EQ(same->range, function.range);
    }
}

TEST(ProgramTest, FindsALeafFunctionThatOnlyACallLeadsTo) {
    const auto program = load("unnamed.dll");
    const auto hidden = std::ranges::find(program->functions(), Source::call_target, &Function::source);
    ASSERT_NE(hidden, program->functions().end());
    EXPECT_EQ(hidden->range.size, 4u);
    EXPECT_TRUE(hidden->decoded);
    EXPECT_THAT(hidden->display_name(), testing::StartsWith("sub_"));
}

TEST(ProgramTest, DoesNotUnderstandAFunctionWithBytesThatAreNoCode) {
    const auto program = load("msvc_style.dll");
    EXPECT_FALSE(named(*program, "broken")->decoded);
    EXPECT_THAT(named(*program, "broken")->undecoded, testing::HasSubstr("no instruction at 0x"));
}

TEST(ProgramTest, DoesNotUnderstandAFunctionThatRunsIntoTheNext) {
    const auto program = load("msvc_style.dll");
    EXPECT_FALSE(named(*program, "runs_on")->decoded);
    EXPECT_TRUE(named(*program, "run_into")->decoded);
}

TEST(ProgramTest, SaysWhereBranchesLeadInside) {
    const auto program = load("msvc_style.dll");
    const auto& function = *named(*program, "broken");
    EXPECT_EQ(program->inner_targets(function), std::vector<std::uint32_t>{5});
}

TEST(ProgramTest, CountsTheTargetsOfJumpTablesAmongThoseInside) {
    const auto program = load("clang.dll");
    const auto& function = *named(*program, "dispatch");
    ASSERT_EQ(function.jump_tables.size(), 1u);
    const auto inner = program->inner_targets(function);
    for (const Rva target : function.jump_tables[0].targets)
        EXPECT_TRUE(std::ranges::binary_search(inner, target - function.range.begin));
}

TEST(ProgramTest, RefusesAFileThatIsNotThere) {
    const auto program = Program::load(fixture("absent.dll"), {});
    ASSERT_FALSE(program);
    EXPECT_EQ(program.error().code(), Code::file_unreadable);
    EXPECT_EQ(program.error().place().image, fixture("absent.dll"));
}

TEST(ProgramTest, RefusesAFileThatIsNoImage) {
    const auto program = parse({.path = "x", .file = Bytes(100, 1), .symbols = {}});
    ASSERT_FALSE(program);
    EXPECT_EQ(program.error().code(), Code::pe_bad_header);
}

/// The image with one 32-bit field of its headers changed.
Bytes with_field(Bytes bytes, std::size_t offset_from_pe, std::uint32_t value) {
    const std::size_t at = *ByteView(bytes).read<std::uint32_t>(0x3c) + offset_from_pe;
    std::memcpy(bytes.data() + at, &value, sizeof value);
    return bytes;
}

constexpr std::size_t kClr = 24 + 112 + 14 * 8;
constexpr std::size_t kFirstSection = 24 + 240;

TEST(ProgramTest, RefusesManagedImages) {
    const auto program = parse({.path = {},
                                .file = with_field(with_field(test::bytes_of("gcc.dll"), kClr, 0x1000), kClr + 4, 72),
                                .symbols = {}});
    ASSERT_FALSE(program);
    EXPECT_EQ(program.error().code(), Code::image_unsupported);
    EXPECT_THAT(program.error().detail(), testing::HasSubstr("managed"));
}

TEST(ProgramTest, RefusesArm64XAndArm64EC) {
    // An Arm64X image is headed as one for Arm64, an Arm64EC one as one for x64; CHPE metadata tells them.
    for (const Machine machine : {Machine::arm64, Machine::x64})
        for (const bool chpe : {true, false}) {
            suture::test::PeBuilder pe;
            pe.machine = machine;
            pe.section(".text", suture::test::PeBuilder::kCode, Bytes(64, 0xc3));
            pe::raw::LoadConfigDirectory64 fields{};
            fields.size = sizeof fields;
            fields.chpe_metadata_pointer = chpe ? pe.image_base + 0x2000 : 0;
            Bytes bytes;
            suture::test::append(bytes, fields);
            const Rva at = pe.section(".rdata", suture::test::PeBuilder::kReadOnly, bytes);
            pe.directory(pe::Directory::load_config, {at, fields.size});
            const auto program = parse({.path = {}, .file = pe.file(), .symbols = {}});
            ASSERT_EQ(program.has_value(), !chpe);
            if (!chpe)
                continue;
            EXPECT_EQ(program.error().code(), Code::image_unsupported);
            EXPECT_THAT(program.error().detail(), testing::HasSubstr("Arm64EC or Arm64X"));
        }
}

TEST(ProgramTest, RefusesImagesWhoseCodeIsWritable) {
    const auto program = parse(
        {.path = {}, .file = with_field(test::bytes_of("gcc.dll"), kFirstSection + 36, 0xe0000020), .symbols = {}});
    ASSERT_FALSE(program);
    EXPECT_EQ(program.error().code(), Code::image_unsupported);
    EXPECT_THAT(program.error().detail(), testing::HasSubstr("writable and executable"));
}

TEST(ProgramTest, RefusesImagesWithoutCode) {
    const auto program = parse(
        {.path = {}, .file = with_field(test::bytes_of("gcc.dll"), kFirstSection + 36, 0x40000040), .symbols = {}});
    ASSERT_FALSE(program);
    EXPECT_EQ(program.error().code(), Code::image_unsupported);
}

} // namespace
} // namespace suture::program
