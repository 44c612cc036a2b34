#include "loader/trust/certificate_table.hpp"
#include "loader/trust/signed_data.hpp"
#include "loader/trust/system.hpp"
#include "loader/trust/trust_anchor.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

// What WinVerifyTrust says by itself: the digest, the signature, and whether there is one. It runs behind the checks
// that are the same on every system, and would not be missed by the rows of the matrix.
namespace suture::trust {
namespace {

Bytes of_folder(const std::string& name) {
    std::ifstream file(std::filesystem::path(SUTURE_SIGNED) / name, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(file), {});
}

std::optional<Code> outcome(ByteView file, const Certificate& signer) {
    const auto result = system::confirm(file, signer);
    return result ? std::nullopt : std::optional(result.error().code());
}

class WindowsConfirm : public testing::Test {
  protected:
    WindowsConfirm() : anchor(*TrustAnchor::parse(of_folder("self.pem"))), file(of_folder("self.dll")) {}

    TrustAnchor anchor;
    Bytes file;
};

TEST_F(WindowsConfirm, TakesASignatureOfSomebodyItDoesNotKnow) {
    EXPECT_EQ(outcome(file, anchor.certificate()), std::nullopt);
}

TEST_F(WindowsConfirm, RefusesOtherBytes) {
    const auto image = pe::Image::parse(file, pe::Layout::file);
    file[image->sections().front().raw.value] ^= 1;
    EXPECT_EQ(outcome(file, anchor.certificate()), Code::signature_invalid);
}

TEST_F(WindowsConfirm, RefusesAnUnsignedFile) {
    const auto image = pe::Image::parse(file, pe::Layout::file);
    const auto table = find_certificate_table(*image);
    Bytes bare(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(table->begin.value));
    const std::uint64_t entry = image->directory_offset(pe::Directory::certificates).value;
    std::fill_n(bare.begin() + static_cast<std::ptrdiff_t>(entry), 8, std::uint8_t{0});
    EXPECT_EQ(outcome(bare, anchor.certificate()), Code::signature_invalid);
}

TEST_F(WindowsConfirm, SaysWhereItDoesNotVerifyEcdsa) {
    const auto elliptic = TrustAnchor::parse(of_folder("p256.pem"));
    const auto found = outcome(of_folder("p256.dll"), elliptic->certificate());
    EXPECT_TRUE(!found || found == Code::signature_unsupported);
}

TEST_F(WindowsConfirm, LeavesNoFileBehind) {
    const auto count = [] {
        std::size_t files = 0;
        for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::temp_directory_path()))
            files += entry.path().filename().string().starts_with("sut");
        return files;
    };
    const std::size_t before = count();
    EXPECT_EQ(outcome(file, anchor.certificate()), std::nullopt);
    EXPECT_EQ(count(), before);
}

} // namespace
} // namespace suture::trust
