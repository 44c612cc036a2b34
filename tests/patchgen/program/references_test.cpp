#include "fixtures.hpp"

#include <gmock/gmock.h>

namespace suture::program {
namespace {

using test::data_named;
using test::load;
using test::named;

const Reference* reference_to(const Function& function, Rva target, ReferenceKind kind) {
    for (const auto& reference : function.references)
        if (reference.target == target && reference.kind == kind)
            return &reference;
    return nullptr;
}

TEST(ReferencesTest, IncludeCallsOfImportsThroughTheirSlots) {
    const auto program = load("clang.dll");
    for (const auto& import : program->imports()) {
        const auto* caller = named(*program, import.name == "GetTickCount" ? "dispatch" : "complain");
        const auto* reference = reference_to(*caller, import.slot, ReferenceKind::rip_relative);
        ASSERT_NE(reference, nullptr) << import.name;
        EXPECT_EQ(reference->use, Use::read);
        EXPECT_EQ(reference->access_size, 8u);
    }
}

TEST(ReferencesTest, IncludeCallsOfFunctions) {
    const auto program = load("gcc.dll");
    const auto* reference =
        reference_to(*named(*program, "work"), named(*program, "dispatch")->range.begin, ReferenceKind::branch);
    ASSERT_NE(reference, nullptr);
    EXPECT_EQ(reference->use, Use::call);
    EXPECT_EQ(reference->addend, -4);
}

TEST(ReferencesTest, SayHowDataIsUsed) {
    const auto program = load("clang.dll");
    const Rva counter = data_named(*program, "counter")->range.begin;
    bool read = false, written = false;
    for (const auto& reference : named(*program, "dispatch")->references) {
        if (reference.target != counter)
            continue;
        EXPECT_EQ(reference.access_size, 4u);
        read |= reference.use == Use::read;
        written |= reference.use == Use::write;
    }
    EXPECT_TRUE(read);
    EXPECT_TRUE(written);
}

TEST(ReferencesTest, IncludeDisplacementsThatAreRvas) {
    const auto program = load("msvc_style.dll");
    const Rva numbers = data_named(*program, "numbers")->range.begin;
    const auto& function = *named(*program, "by_rva");
    EXPECT_TRUE(function.decoded);
    const auto* read = reference_to(function, numbers, ReferenceKind::image_relative);
    ASSERT_NE(read, nullptr);
    EXPECT_EQ(read->use, Use::read);
    const auto* written = reference_to(function, numbers + 4, ReferenceKind::image_relative);
    ASSERT_NE(written, nullptr);
    EXPECT_EQ(written->use, Use::write);
    EXPECT_NE(reference_to(function, Rva{0}, ReferenceKind::rip_relative), nullptr);
}

TEST(ReferencesTest, AreNotGuessedWhereARegisterHoldsTheImageBaseOnOnePathOnly) {
    const auto program = load("msvc_style.dll");
    const auto& function = *named(*program, "by_rva_perhaps");
    EXPECT_FALSE(function.decoded);
    EXPECT_THAT(function.undecoded, testing::HasSubstr("RVA on some paths"));
}

TEST(ReferencesTest, IncludeRelocatedFields) {
    const auto program = load("msvc_style.dll");
    const Rva numbers = data_named(*program, "numbers")->range.begin;
    const auto* reference = reference_to(*named(*program, "caller"), numbers, ReferenceKind::absolute);
    ASSERT_NE(reference, nullptr);
    EXPECT_EQ(reference->size, 8);
    EXPECT_EQ(program->pointer_at(numbers + 24), named(*program, "caller")->range.begin);
    EXPECT_TRUE(program->relocated(numbers + 31));
    EXPECT_FALSE(program->relocated(numbers + 32));
    EXPECT_FALSE(program->pointer_at(numbers + 25));
}

TEST(ReferencesTest, OfALoopStayInsideTheFunction) {
    const auto program = load("gcc.dll");
    const auto& function = *named(*program, "loop");
    EXPECT_TRUE(std::ranges::any_of(function.references, [&](const Reference& reference) {
        return reference.kind == ReferenceKind::branch && function.range.contains(reference.target);
    }));
}

} // namespace
} // namespace suture::program
