// Built with the source that stands in for the reader of PDBs where there is no LLVM, whatever this build has.
#include "patchgen/program/pdb_symbols.hpp"
#include "tests/support/pe_builder.hpp"

#include <gtest/gtest.h>

namespace suture::program {
namespace {

TEST(NoPdbSymbols, AreRefusedWithTheirReason) {
    const Bytes file = test::PeBuilder().file();
    const auto image = pe::Image::parse(file, pe::Layout::file);
    ASSERT_TRUE(image) << image.error().message();
    const auto symbols = read_pdb_symbols({}, *image, {});
    ASSERT_FALSE(symbols);
    EXPECT_EQ(symbols.error().code(), Code::symbols_unsupported);
}

} // namespace
} // namespace suture::program
