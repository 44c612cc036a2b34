#include "loader/trust/signature.hpp"
#include "tests/loader/trust/matrix/rows.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

// The signature matrix: docs/signing.md shows it, make_signed.sh makes the files, and each row is a test on each
// system.
namespace suture::trust {
namespace {

using test::Row;
using test::rows;

constexpr Time kThen = std::chrono::sys_days(std::chrono::year(2030) / 1 / 1);

Bytes read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file)
        throw std::runtime_error("cannot read " + path.string());
    return Bytes(std::istreambuf_iterator<char>(file), {});
}

Bytes of_folder(const std::string& name) {
    return read(std::filesystem::path(SUTURE_SIGNED) / name);
}

std::vector<TrustAnchor> anchors_of(const char* names) {
    std::vector<TrustAnchor> anchors;
    std::istringstream words(names);
    for (std::string name; words >> name;)
        anchors.push_back(*TrustAnchor::parse(of_folder(name + ".pem")));
    return anchors;
}

TrustPolicy policy_of(const Row& row) {
    TrustPolicy policy{.anchors = anchors_of(row.anchors), .timestamp_anchors = anchors_of(row.stampers)};
    std::istringstream words(row.lists);
    for (std::string name; words >> name;)
        policy.revocation_lists.push_back(RevocationList::parse(of_folder(name + ".crl")).value().at(0));
    policy.now = row.soon ? now() + std::chrono::days(30) : kThen;
    return policy;
}

std::string text(const std::optional<Code>& refusal) {
    return refusal ? std::string(suture::text_of(*refusal)) : "accepted";
}

class SignatureMatrix : public testing::TestWithParam<Row> {};

TEST_P(SignatureMatrix, Holds) {
    const Row& row = GetParam();
    Bytes file = of_folder(std::string(row.file) + ".dll");
    if (row.edit) {
        const Bytes before = file;
        row.edit(file);
        ASSERT_NE(file, before) << "nothing was changed";
    }
    const auto signer = verify_signature(file, policy_of(row));
    const std::optional<Code> found = signer ? std::nullopt : std::optional(signer.error().code());
    const std::string said = signer ? signer->subject : signer.error().message();
    const bool elsewhere = !SUTURE_VERIFIES_EVERYTHING && row.elsewhere && found == row.elsewhere;
    EXPECT_TRUE(found == row.refusal || elsewhere) << text(found) << ", not " << text(row.refusal) << ": " << said;
}

INSTANTIATE_TEST_SUITE_P(Rows, SignatureMatrix, testing::ValuesIn(rows().begin(), rows().end()),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(SignatureMatrixDocument, HasEveryRowWithItsOutcome) {
    std::map<std::string, std::pair<std::string, std::string>> documented;
    std::ifstream file(SUTURE_SIGNING_DOC);
    for (std::string line; std::getline(file, line);) {
        std::istringstream cells(line);
        std::string cell[5];
        for (std::string& one : cell)
            std::getline(cells, one, '|');
        if (cell[1].starts_with(" `") && cell[1].ends_with("` "))
            documented[cell[1].substr(2, cell[1].size() - 4)] = {cell[3], cell[4]};
    }
    for (const Row& row : rows()) {
        const std::string here = row.refusal ? " `" + text(row.refusal) + "` " : " accepted ";
        const std::string there = row.elsewhere ? here + "or `" + text(row.elsewhere) + "` " : here;
        const auto found = documented.find(row.name);
        ASSERT_NE(found, documented.end()) << row.name;
        EXPECT_EQ(found->second.first, here) << row.name;
        EXPECT_EQ(found->second.second, there) << row.name;
        documented.erase(found);
    }
    EXPECT_TRUE(documented.empty()) << documented.begin()->first << " is no row";
}

} // namespace
} // namespace suture::trust
