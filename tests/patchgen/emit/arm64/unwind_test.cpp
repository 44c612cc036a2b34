#include "engine/pe/unwind_arm64.hpp"
#include "patchgen/emit/arm64/unwind.hpp"
#include "tests/patchgen/arm64/pairs.hpp"

namespace suture::emit::arm64 {
namespace {

TEST(Unwind, VeneersHaveAnEntryThatDescribesTheBodyOfTheirFunction) {
    const test::Arm64Pair pair("shared_page");
    const auto contents = pair.emit();
    ASSERT_TRUE(contents) << contents.error().message();
    // Only one of the functions has a frame: its entry, and one for both of its veneers.
    ASSERT_EQ(contents->runtime_functions.size(), 2u);
    const pe::RuntimeFunction& function = contents->runtime_functions[0];
    const pe::RuntimeFunction& veneers = contents->runtime_functions[1];
    EXPECT_EQ(veneers.range.begin.value, function.range.end());
    EXPECT_EQ(veneers.range.size, 24u);
    const auto bytes = package::write_package(*contents);
    ASSERT_TRUE(bytes);
    const auto package = package::Package::parse(*bytes);
    ASSERT_TRUE(package) << package.error().message();
    const auto whole = pe::unwind_info_arm64_of(package->image(), function);
    const auto fragment = pe::unwind_info_arm64_of(package->image(), veneers);
    ASSERT_TRUE(whole && fragment);
    EXPECT_EQ(whole->function_size, 52u);
    EXPECT_TRUE(whole->single_epilog);
    EXPECT_TRUE(fragment->fragment);
    EXPECT_TRUE(fragment->epilogs.empty());
    EXPECT_FALSE(fragment->single_epilog);
    EXPECT_EQ(fragment->codes, (Bytes{0xe5, 0x81, 0xe4, 0xe3}));
}

TEST(Unwind, PackedEntriesMoveWithTheirFunction) {
    test::Arm64Pair pair("calls");
    // stp x29, x30, [sp, #-16]! ; mov x29, sp
    constexpr std::uint32_t kPacked = 1 | 3u << 21 | 1u << 23;
    program::Function bent = *pair.changes.functions[0].updated;
    const std::uint32_t packed = kPacked | bent.range.size / 4 << 2;
    bent.unwind = {{bent.range, {}, packed}};
    pair.changes.functions[0].updated = &bent;
    const auto contents = pair.emit();
    ASSERT_TRUE(contents) << contents.error().message();
    const auto found = std::ranges::find(contents->runtime_functions, packed, &pe::RuntimeFunction::packed);
    ASSERT_NE(found, contents->runtime_functions.end());
    EXPECT_EQ(found->range.begin, contents->manifest.functions[0].patch);
    EXPECT_EQ(found->range.size, bent.range.size);
}

TEST(Unwind, IsRefusedWhereAnEntryBeginsBeforeItsFunction) {
    test::Arm64Pair pair("shared_page");
    for (diff::EmittedFunction& function : pair.changes.functions) {
        if (function.updated->unwind.empty())
            continue;
        program::Function bent = *function.updated;
        bent.unwind[0].range.begin = bent.range.begin - 4;
        function.updated = &bent;
        const auto contents = pair.emit();
        ASSERT_FALSE(contents);
        EXPECT_EQ(contents.error().code(), Code::unwind_unsupported);
        return;
    }
    FAIL() << "no function has unwind data";
}

} // namespace
} // namespace suture::emit::arm64
