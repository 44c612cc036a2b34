#include "tests/patchgen/run_patchgen.hpp"
#include "tests/patchgen/samples.hpp"

namespace suture::cli {
namespace {

using test::content_of;
using test::run_patchgen;
using test::sample_path;
using test::TestFolder;

std::string crowd(int updated) {
    return SUTURE_PAGE_IMAGES "/crowd" + std::to_string(updated) + ".dll";
}

std::size_t count(const std::string& text, std::string_view what) {
    std::size_t found = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1))
        ++found;
    return found;
}

TEST(Page, IsWrittenWhateverTheResult) {
    const TestFolder folder;
    for (const int updated : {0, 1, 2}) {
        const std::string name = std::to_string(updated) + ".html";
        const auto run =
            run_patchgen(folder, {"create", crowd(0), crowd(updated), "-o", "p.dll", "--html", name, "--quiet"});
        EXPECT_EQ(run.exit_code, updated == 0 ? 3 : updated == 1 ? 0 : 4);
        EXPECT_NE(content_of(folder / name).find("</html>"), std::string::npos);
    }
}

// crowd.c has names and strings that try to end the element they stand in.
TEST(Page, HoldsNamesAsTextAlone) {
    const TestFolder folder;
    ASSERT_EQ(run_patchgen(folder, {"create", crowd(0), crowd(1), "-o", "p.dll", "--html", "page.html"}).exit_code, 0);
    const std::string page = content_of(folder / "page.html");
    EXPECT_EQ(count(page, "<script"), 2u) << "the data, and the page's code";
    EXPECT_EQ(count(page, "</script"), 2u);
    EXPECT_EQ(count(page, "<!--"), 0u);
    EXPECT_EQ(count(page, "<img"), 0u);
    EXPECT_EQ(count(page, "\xe2\x80\xae"), 0u) << "a mark of direction";
    EXPECT_GT(count(page, "\\u003c/script\\u003e\\u003cscript\\u003ewindow.pwned=1"), 0u) << "in the data";
    EXPECT_GT(count(page, "&lt;/script&gt;&lt;script&gt;window.pwned=1"), 0u) << "where there is no JavaScript";
}

TEST(Page, AllowsItsOwnCodeAndStyleAlone) {
    const TestFolder folder;
    ASSERT_EQ(run_patchgen(folder, {"create", crowd(0), crowd(1), "-o", "p.dll", "--html", "page.html"}).exit_code, 0);
    const std::string page = content_of(folder / "page.html");
    EXPECT_EQ(count(page, "default-src 'none'; style-src 'sha256-"), 1u);
    EXPECT_EQ(count(page, "script-src 'sha256-"), 1u);
    EXPECT_EQ(count(page, "unsafe"), 0u);
    EXPECT_EQ(count(page, "http"), count(page, "http://www.w3.org/2000/svg") + count(page, "http-equiv"));
    EXPECT_EQ(count(page, " style="), 0u);
}

TEST(Page, IsNotWrittenOverAnImage) {
    const TestFolder folder;
    const std::string copy = folder / "updated.dll";
    std::filesystem::copy_file(sample_path("heartbeat", "clang", "updated"), copy);
    const std::string before = content_of(copy);
    const auto run = run_patchgen(
        folder, {"create", sample_path("heartbeat", "clang", "baseline"), copy, "-o", "p.dll", "--html", copy});
    EXPECT_EQ(run.exit_code, 2);
    EXPECT_EQ(content_of(copy), before);
}

TEST(Report, CutsLongListsOffUnlessVerbose) {
    const TestFolder folder;
    const auto brief = run_patchgen(folder, {"create", crowd(0), crowd(1), "-o", "p.dll"});
    const auto verbose = run_patchgen(folder, {"create", crowd(0), crowd(1), "-o", "p.dll", "-v"});
    EXPECT_NE(brief.out.find("more: -v shows all"), std::string::npos);
    EXPECT_EQ(verbose.out.find("more: -v shows all"), std::string::npos);
    EXPECT_GT(count(verbose.out, "\n"), count(brief.out, "\n") + 200);
    EXPECT_EQ(brief.out.find("\xe2\x80\xae"), std::string::npos);
}

TEST(Report, SaysWhatIsRefusedAndWhatToDo) {
    const TestFolder folder;
    const auto run = run_patchgen(folder, {"create", crowd(0), crowd(2), "-o", "p.dll"});
    EXPECT_EQ(run.exit_code, 4);
    for (const char* text : {"refused: data-initial-value-changed", "limit", "what to do:", "no package was written"})
        EXPECT_NE(run.out.find(text), std::string::npos) << text;
    EXPECT_EQ(run_patchgen(folder, {"create", crowd(0), crowd(2), "-o", "p.dll", "--quiet"}).out, "");
}

TEST(Report, TellsWhichStringBecameWhich) {
    const TestFolder folder;
    const auto json = run_patchgen(folder, {"create", sample_path("tally", "clang", "baseline"),
                                            sample_path("tally", "clang", "updated"), "-o", "p.exe", "--json"})
                          .json();
    const std::string all = json.dump();
    EXPECT_NE(all.find("tally-with-the-update"), std::string::npos);
    EXPECT_NE(all.find("GetTickCount64"), std::string::npos) << "a new import is told";
    for (const auto& change : json["changes"])
        EXPECT_TRUE(change["facts"].is_array());
    for (const char* which : {"baseline", "updated"})
        for (const char* key : {"path", "time_date_stamp", "checksum", "size_of_image", "bytes", "pdb", "names"})
            EXPECT_TRUE(json["images"][which].contains(key)) << key;
}

} // namespace
} // namespace suture::cli
