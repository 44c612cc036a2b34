#include "patchgen/emit/arm64/registers.hpp"
#include "tests/patchgen/arm64/pairs.hpp"

namespace suture::emit::arm64 {
namespace {

TEST(Registers, AreFreeWhereTheFunctionNeverMentionsThem) {
    const auto program = test::load_arm64("registers", "baseline");
    std::size_t seen = 0;
    for (const program::Function& function : program->functions()) {
        if (function.names.empty())
            continue; // a label whose address is taken
        const std::string name = function.display_name();
        const auto found = free_register(*program, function);
        const std::string said = found ? "free_" + std::to_string(*found) : "none_free";
        EXPECT_EQ(name.substr(0, said.size()), said) << name;
        ++seen;
    }
    EXPECT_EQ(seen, 15u);
}

} // namespace
} // namespace suture::emit::arm64
