#include "loader/trust/certificate_table.hpp"
#include "tests/loader/trust/signing.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace suture::trust {
namespace {

class CertificateTableTest : public testing::Test {
  protected:
    static void SetUpTestSuite() { signed_ = test::sign(test::unsigned_package(), test::make_identity({})); }

    CertificateTableTest() : file(signed_) {
        const auto image = pe::Image::parse(file, pe::Layout::file);
        entry = image->directory_offset(pe::Directory::certificates).value;
        table = image->directory(pe::Directory::certificates).begin.value;
    }

    template <class T>
    void set(std::uint64_t at, T value) {
        std::memcpy(file.data() + at, &value, sizeof(value));
    }
    std::uint32_t get(std::uint64_t at) const { return *ByteView(file).read<std::uint32_t>(at); }
    Code refusal() const {
        const auto image = pe::Image::parse(file, pe::Layout::file);
        const auto found = find_certificate_table(*image);
        return found ? Code::already_applied : found.error().code();
    }

    inline static Bytes signed_;
    Bytes file;
    std::uint64_t entry = 0; ///< offset of the data directory's entry
    std::uint64_t table = 0; ///< offset of the table
};

TEST_F(CertificateTableTest, IsFoundBehindTheImage) {
    const auto image = pe::Image::parse(file, pe::Layout::file);
    const auto found = find_certificate_table(*image);
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(found->begin.value, table);
    EXPECT_EQ(found->pkcs7.data(), image->bytes().data() + table + 8);
}

TEST_F(CertificateTableTest, IsAbsentWithoutAnEntry) {
    set<std::uint64_t>(entry, 0);
    EXPECT_EQ(refusal(), Code::signature_stripped) << "the table is there";
    file.resize(table);
    EXPECT_EQ(refusal(), Code::unsigned_package);
}

TEST_F(CertificateTableTest, HoldsOneCertificateOfTheRightKind) {
    for (const auto& [at, value] :
         {std::pair(table + 4, std::uint16_t{0x0100}), std::pair(table + 6, std::uint16_t{1})}) {
        const Bytes before = file;
        set(at, value);
        EXPECT_EQ(refusal(), Code::signature_malformed) << at - table;
        file = before;
    }
}

TEST_F(CertificateTableTest, RefusesLengthsThatAreNotTheTables) {
    for (const std::uint32_t length : {0u, 8u, get(table) + 8, 0xffffffffu}) {
        const Bytes before = file;
        set(table, length);
        EXPECT_EQ(refusal(), Code::signature_malformed) << length;
        file = before;
    }
}

TEST_F(CertificateTableTest, RefusesASecondCertificate) {
    const Bytes first(file.begin() + static_cast<std::ptrdiff_t>(table), file.end());
    file.insert(file.end(), first.begin(), first.end());
    set(entry + 4, get(entry + 4) * 2);
    EXPECT_EQ(refusal(), Code::several_signatures);
}

TEST_F(CertificateTableTest, RefusesWhatFollowsTheSignature) {
    file.insert(file.end(), 16, 0);
    EXPECT_EQ(refusal(), Code::data_after_signature) << "behind the table";
    set(entry + 4, get(entry + 4) + 16);
    EXPECT_EQ(refusal(), Code::data_after_signature) << "in the table, behind the certificate";
    set(table, get(table) + 16);
    EXPECT_EQ(refusal(), Code::data_after_signature) << "in the certificate, more than fills it up";
}

TEST_F(CertificateTableTest, RefusesPaddingThatIsNotZero) {
    const auto image = pe::Image::parse(file, pe::Layout::file);
    const std::size_t end = table + 8 + find_certificate_table(*image)->pkcs7.size();
    if (end == file.size())
        GTEST_SKIP() << "this signature needs no padding";
    file.back() = 1;
    EXPECT_EQ(refusal(), Code::data_after_signature);
}

TEST_F(CertificateTableTest, RefusesATableOverBytesThatAreMapped) {
    for (const std::uint32_t down : {8u, 0x200u, static_cast<std::uint32_t>(table)}) {
        const Bytes before = file;
        set(entry, static_cast<std::uint32_t>(table) - down + (down == table ? 8u : 0u));
        set(entry + 4, static_cast<std::uint32_t>(file.size()) - get(entry));
        EXPECT_EQ(refusal(), Code::signature_malformed) << down;
        file = before;
    }
}

} // namespace
} // namespace suture::trust
