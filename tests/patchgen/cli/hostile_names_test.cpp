#include "tests/engine/package/sample_contents.hpp"
#include "tests/patchgen/run_patchgen.hpp"
#include "tests/support/pe_builder.hpp"

#include <algorithm>

namespace suture::cli {
namespace {

using test::run_patchgen;
using test::TestFolder;

const std::string kBidi = "price\xe2\x80\xae"
                          "ecirp";
const std::string kEscape = "red\x1b[31m\r\nfake";
const std::string kNoUtf8 = "caf\xe9";

void write(const std::string& path, ByteView bytes) {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

/// A DLL whose exports cannot be decoded, so that check names each of them.
Bytes image_with_exports(const std::vector<std::string>& names) {
    test::PeBuilder pe;
    const Rva text = pe.section(".text", test::PeBuilder::kCode, Bytes(16 * names.size(), 0x06));
    std::vector<test::BuiltExport> exports;
    for (std::size_t i = 0; i < names.size(); ++i)
        exports.push_back({names[i], text + static_cast<std::uint32_t>(16 * i), {}});
    pe.exports("x.dll", exports);
    return pe.file();
}

bool is_plain(const std::string& text) {
    return std::ranges::none_of(text,
                                [](char byte) {
                                    return (static_cast<unsigned char>(byte) < 0x20 && byte != '\n') || byte == 0x7f ||
                                           byte == '\xe9';
                                }) &&
           text.find("\xe2\x80\xae") == std::string::npos;
}

TEST(HostileNames, CheckShowsThemEscapedAndCutOff) {
    const TestFolder folder;
    write(folder / "x.dll", image_with_exports({kBidi, kEscape, kNoUtf8, std::string(16000, 'n')}));
    const auto run = run_patchgen(folder, {"check", "x.dll", "-v"});
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_TRUE(is_plain(run.out)) << run.out;
    for (const char* text : {"price\\u202eecirp", "red\\x1b[31m\\x0d\\x0afake", "caf\\xe9", "nnn..."})
        EXPECT_NE(run.out.find(text), std::string::npos) << text << "\n" << run.out;
    EXPECT_LT(run.out.size(), 4000u);
}

TEST(HostileNames, CheckWritesWholeNamesAsJson) {
    const TestFolder folder;
    write(folder / "x.dll", image_with_exports({kEscape, kNoUtf8, std::string(16000, 'n')}));
    const auto json = run_patchgen(folder, {"check", "x.dll", "--json"}).json();
    ASSERT_TRUE(json.is_object());
    ASSERT_EQ(json["refused"].size(), 3u);
    EXPECT_EQ(json["refused"][0]["name"], kEscape);
    EXPECT_EQ(json["refused"][1]["name"], "caf\xef\xbf\xbd");
    EXPECT_EQ(json["refused"][2]["name"], std::string(16000, 'n'));
}

TEST(HostileNames, InspectShowsThemEscapedAndCutOff) {
    const TestFolder folder;
    package::Contents contents = package::test::everything();
    contents.manifest.id = kBidi;
    contents.manifest.functions.front().name = kBidi;
    contents.manifest.functions.back().name = std::string(60000, 'n');
    contents.manifest.globals.front().name = kBidi + std::string(60000, 'g');
    const auto package = package::write_package(contents);
    ASSERT_TRUE(package) << package.error().message();
    write(folder / "p.dll", *package);
    const auto run = run_patchgen(folder, {"inspect", "p.dll"});
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_TRUE(is_plain(run.out)) << run.out;
    for (const char* text : {"id          price\\u202eecirp", "nnn...", "ggg..."})
        EXPECT_NE(run.out.find(text), std::string::npos) << text << "\n" << run.out;
    EXPECT_LT(run.out.size(), 60000u);
}

TEST(HostileNames, ErrorsKeepTheirOwnLinesOnly) {
    const TestFolder folder;
    const auto run = run_patchgen(folder, {"check", "a\nb\x1b[31m.dll"});
    EXPECT_EQ(run.exit_code, 1);
    EXPECT_NE(run.err.find("a\\x0ab\\x1b[31m.dll"), std::string::npos) << run.err;
    EXPECT_TRUE(is_plain(run.err)) << run.err;
}

} // namespace
} // namespace suture::cli
