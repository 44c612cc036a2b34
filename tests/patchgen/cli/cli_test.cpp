#include "tests/patchgen/run_patchgen.hpp"
#include "tests/patchgen/samples.hpp"

namespace suture::cli {
namespace {

using test::content_of;
using test::run_patchgen;
using test::sample_path;
using test::TestFolder;

const std::string kBaseline = sample_path("heartbeat", "clang", "baseline");
const std::string kUpdated = sample_path("heartbeat", "clang", "updated");
const std::string kTally = sample_path("tally", "clang", "updated");

TEST(Create, WritesAPackageAndSaysSo) {
    const TestFolder folder;
    const auto run = run_patchgen(folder, {"create", kBaseline, kUpdated, "-o", "fix.dll"});
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_EQ(run.err, "");
    EXPECT_NE(run.out.find("answer_heartbeat"), std::string::npos);
    EXPECT_NE(run.out.find("x64-"), std::string::npos);
    EXPECT_EQ(run.out.find('\x1b'), std::string::npos) << "colours in a pipe";
    EXPECT_EQ(folder.names(), std::vector<std::string>{"fix.dll"});
}

TEST(Create, NamesThePackageAfterTheBaseline) {
    const TestFolder folder;
    EXPECT_EQ(run_patchgen(folder, {"create", kBaseline, kUpdated}).exit_code, 0);
    EXPECT_EQ(folder.names(), std::vector<std::string>{"heartbeat_hotpatch.dll"});
}

TEST(Create, KeepsTheContractOfItsJson) {
    const TestFolder folder;
    const auto run = run_patchgen(folder, {"create", kBaseline, kUpdated, "-o", "fix.dll", "--json"});
    EXPECT_EQ(run.exit_code, 0) << run.err;
    const auto json = run.json();
    ASSERT_TRUE(json.is_object()) << run.out;
    EXPECT_EQ(json["result"], "package");
    EXPECT_EQ(json["machine"], "x64");
    EXPECT_EQ(json["package"], "fix.dll");
    EXPECT_EQ(json["bytes"], content_of(folder / "fix.dll").size());
    for (const char* key : {"baseline", "updated", "matched", "equal", "changed", "new", "removed"})
        EXPECT_TRUE(json["functions"][key].is_number()) << key;
    ASSERT_EQ(json["changes"].size(), 1u);
    const auto& change = json["changes"][0];
    EXPECT_EQ(change["name"], "answer_heartbeat");
    EXPECT_EQ(change["verdict"], "replaced");
    EXPECT_TRUE(change["reason"].is_null());
    for (const char* key : {"baseline_rva", "updated_rva", "size"})
        EXPECT_TRUE(change[key].is_number()) << key;
    for (const char* key : {"site", "detail"})
        EXPECT_TRUE(change[key].is_string()) << key;
    EXPECT_TRUE(json["reasons"].empty());
}

TEST(Create, WritesJsonToAFileBesideItsText) {
    const TestFolder folder;
    const auto run = run_patchgen(folder, {"create", kBaseline, kUpdated, "-o", "fix.dll", "--json", "report.json"});
    EXPECT_EQ(run.exit_code, 0);
    EXPECT_NE(run.out.find("answer_heartbeat"), std::string::npos);
    EXPECT_EQ(nlohmann::json::parse(content_of(folder / "report.json"))["result"], "package");
}

TEST(Create, SaysNothingWithQuiet) {
    const TestFolder folder;
    const auto run = run_patchgen(folder, {"create", kBaseline, kUpdated, "--quiet"});
    EXPECT_EQ(run.exit_code, 0);
    EXPECT_EQ(run.out + run.err, "");
}

TEST(Create, WritesNothingWhereNothingChanged) {
    const TestFolder folder;
    const auto run = run_patchgen(folder, {"create", kBaseline, kBaseline, "--json"});
    EXPECT_EQ(run.exit_code, 3);
    EXPECT_EQ(run.json()["result"], "no-change");
    EXPECT_TRUE(run.json()["package"].is_null());
    EXPECT_GT(run.json()["proof"]["unchanged"], 0) << "that nothing has changed is proved, too";
    EXPECT_TRUE(folder.names().empty());
}

TEST(Create, GivesReasonsWhereItRefusesAndLeavesTheOutputAlone) {
    const TestFolder folder;
    std::ofstream(folder / "fix.dll") << "what was there";
    const auto run = run_patchgen(folder, {"create", kBaseline, kTally, "-o", "fix.dll", "--json"});
    EXPECT_EQ(run.exit_code, 4);
    EXPECT_EQ(run.json()["result"], "refused");
    ASSERT_FALSE(run.json()["reasons"].empty());
    EXPECT_TRUE(run.json()["reasons"][0]["code"].is_string());
    EXPECT_TRUE(run.json()["reasons"][0]["detail"].is_string());
    EXPECT_EQ(content_of(folder / "fix.dll"), "what was there");
}

TEST(Create, NamesTheFileThatItCannotRead) {
    const TestFolder folder;
    const auto run = run_patchgen(folder, {"create", "no-such.dll", kUpdated});
    EXPECT_EQ(run.exit_code, 1);
    EXPECT_NE(run.err.find("no-such.dll"), std::string::npos) << run.err;
    EXPECT_NE(run.err.find("file-unreadable"), std::string::npos) << run.err;
}

TEST(Create, TakesNoFileThatIsNoImage) {
    const TestFolder folder;
    std::ofstream(folder / "text.dll") << "not an image";
    EXPECT_EQ(run_patchgen(folder, {"create", "text.dll", kUpdated}).exit_code, 1);
    EXPECT_EQ(run_patchgen(folder, {"create", kBaseline, "text.dll"}).exit_code, 1);
}

TEST(Create, FailsWhereItCannotWrite) {
    const TestFolder folder;
    const auto run = run_patchgen(folder, {"create", kBaseline, kUpdated, "-o", "no/such/folder/fix.dll"});
    EXPECT_EQ(run.exit_code, 1);
    EXPECT_NE(run.err.find("file-unwritable"), std::string::npos) << run.err;
    EXPECT_TRUE(folder.names().empty());
}

TEST(Create, DoesNotOverwriteAnImageThatItCompares) {
    const TestFolder folder;
    std::filesystem::copy(kBaseline, folder.path());
    const std::string before = content_of(folder / "heartbeat.dll");
    EXPECT_EQ(run_patchgen(folder, {"create", "heartbeat.dll", kUpdated, "-o", "./heartbeat.dll"}).exit_code, 2);
    EXPECT_EQ(content_of(folder / "heartbeat.dll"), before);
}

TEST(Usage, IsExitCode2) {
    const TestFolder folder;
    EXPECT_EQ(run_patchgen(folder, {}).exit_code, 2);
    EXPECT_EQ(run_patchgen(folder, {"create"}).exit_code, 2);
    EXPECT_EQ(run_patchgen(folder, {"create", kBaseline, kUpdated, "--no-such"}).exit_code, 2);
    EXPECT_EQ(run_patchgen(folder, {"create", kBaseline, kUpdated, "--sequence", "0"}).exit_code, 2);
    EXPECT_EQ(
        run_patchgen(folder, {"create", kBaseline, kUpdated, "--no-symbols", "--baseline-symbols", "x"}).exit_code, 2);
    EXPECT_EQ(run_patchgen(folder, {"--help"}).exit_code, 0);
}

TEST(Check, CountsEveryFunctionOnce) {
    const TestFolder folder;
    for (const std::string variant : {"clang", "clang-hotpatch", "gcc"}) {
        const auto run = run_patchgen(folder, {"check", sample_path("tally", variant, "baseline"), "--json"});
        EXPECT_EQ(run.exit_code, 0) << run.err;
        const auto json = run.json();
        EXPECT_EQ(json["machine"], "x64");
        std::size_t redirectable = 0;
        for (const auto& [site, count] : json["sites"].items())
            redirectable += count.get<std::size_t>();
        EXPECT_EQ(json["redirectable"], redirectable);
        EXPECT_EQ(json["functions"], redirectable + json["refused"].size());
        const auto without_stop = json["without_stop"].get<std::size_t>();
        EXPECT_EQ(without_stop == redirectable, variant == "clang-hotpatch");
        EXPECT_GE(without_stop, json["sites"].value("x64-padded", 0uz) + json["sites"].value("x64-cave", 0uz));
        for (const auto& refused : json["refused"])
            EXPECT_TRUE(refused["rva"].is_number() && refused["name"].is_string() && refused["reason"].is_string());
    }
}

TEST(Check, FindsPaddedSitesInAnImageMadeForHotpatching) {
    const TestFolder folder;
    const auto json =
        run_patchgen(folder, {"check", sample_path("heartbeat", "clang-hotpatch", "baseline"), "--json"}).json();
    EXPECT_GT(json["sites"].value("x64-padded", 0), 0);
}

TEST(Inspect, ShowsTheCodeWithItsReferencesNamed) {
    const TestFolder folder;
    ASSERT_EQ(
        run_patchgen(folder, {"create", sample_path("tally", "clang", "baseline"), kTally, "-o", "p.exe"}).exit_code,
        0);
    const auto run = run_patchgen(folder, {"inspect", "p.exe"});
    EXPECT_EQ(run.exit_code, 0) << run.err;
    for (const char* text : {"tally.exe", "call", "GetTickCount64", "first_audit", "price", "x64-prologue"})
        EXPECT_NE(run.out.find(text), std::string::npos) << text;
    const auto json = run_patchgen(folder, {"inspect", "p.exe", "--json"}).json();
    EXPECT_EQ(json["module"], "tally.exe");
    EXPECT_FALSE(json["functions"].empty());
    EXPECT_FALSE(json["functions"][0]["code"].empty());
}

TEST(Inspect, TakesNoImageThatIsNoPackage) {
    const TestFolder folder;
    const auto run = run_patchgen(folder, {"inspect", kBaseline});
    EXPECT_EQ(run.exit_code, 1);
    EXPECT_NE(run.err.find("package-not-a-hotpatch"), std::string::npos) << run.err;
}

TEST(ProveCommand, HoldsForAPackageAndForNoOther) {
    const TestFolder folder;
    ASSERT_EQ(run_patchgen(folder, {"create", kBaseline, kUpdated, "-o", "fix.dll"}).exit_code, 0);
    EXPECT_EQ(run_patchgen(folder, {"prove", kBaseline, kUpdated, "fix.dll"}).exit_code, 0);
    const auto refuted = run_patchgen(folder, {"prove", kBaseline, kBaseline, "fix.dll", "--json"});
    EXPECT_EQ(refuted.exit_code, 4);
    EXPECT_EQ(refuted.json()["error"]["code"], "proof-failed");
    EXPECT_EQ(run_patchgen(folder, {"prove", kBaseline, kUpdated, kUpdated}).exit_code, 1);
}

} // namespace
} // namespace suture::cli
