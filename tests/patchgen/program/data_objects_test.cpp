#include "fixtures.hpp"

#include <gmock/gmock.h>

namespace suture::program {
namespace {

using test::data_named;
using test::load;

TEST(DataObjectsTest, OfAPdbHaveTheSizesOfTheirTypes) {
    const auto program = load("clang.dll");
    if (program->symbol_source() != "pdb")
        GTEST_SKIP() << "built without LLVM";
    for (const auto& [name, size, writable] :
         {std::tuple("counter", 4u, true), std::tuple("zeroed", 64u, true), std::tuple("primes", 16u, false)}) {
        const auto* object = data_named(*program, name);
        ASSERT_NE(object, nullptr) << name;
        EXPECT_EQ(object->range.size, size) << name;
        EXPECT_TRUE(object->size_known) << name;
        EXPECT_EQ(object->writable, writable) << name;
    }
}

TEST(DataObjectsTest, OfCoffSymbolsReachToTheNextSymbol) {
    const auto program = load("gcc.dll");
    const auto* zeroed = data_named(*program, "zeroed");
    ASSERT_NE(zeroed, nullptr);
    EXPECT_GE(zeroed->range.size, 64u);
    EXPECT_FALSE(zeroed->size_known);
    EXPECT_TRUE(zeroed->writable);
    EXPECT_TRUE(program->image().is_zero_fill(zeroed->range.begin));
}

TEST(DataObjectsTest, IncludeStringsThatOnlyCodeOrPointersLeadTo) {
    for (const char* image : {"clang.dll", "gcc.dll", "stripped.dll"}) {
        const auto program = load(image);
        bool found = false;
        for (const auto& object : program->data())
            if (const auto text = program->image().string_at(object.range.begin, 64))
                found |= *text == "still negative";
        EXPECT_TRUE(found) << image;
    }
}

TEST(DataObjectsTest, IncludeImportSlots) {
    const auto program = load("clang.dll");
    ASSERT_FALSE(program->imports().empty());
    for (const auto& import : program->imports()) {
        const auto* object = program->data_at(import.slot);
        ASSERT_NE(object, nullptr);
        EXPECT_EQ(object->range, (RvaRange{import.slot, 8}));
        EXPECT_EQ(program->import_at(import.slot), &import);
    }
}

TEST(DataObjectsTest, LieOutsideFunctions) {
    for (const char* image : {"clang.dll", "gcc.dll", "msvc_style.dll"}) {
        const auto program = load(image);
        for (const auto& object : program->data())
            EXPECT_EQ(program->function_at(object.range.begin), nullptr) << image;
    }
}

} // namespace
} // namespace suture::program
