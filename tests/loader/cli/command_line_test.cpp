// The program itself, on everything that needs no process to patch; that is in tests/scenarios.

#include "tests/loader/trust/signing.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace suture::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Ended {
    int exit = -1;
    std::string out;
    std::string errors;

    Json json() const { return Json::parse(out, nullptr, false); }
    std::string code() const {
        const Json whole = json();
        return whole.is_object() && whole.contains("error") && whole["error"].is_object()
                   ? whole["error"].value("code", "")
                   : "";
    }
};

std::string read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
}

/// A child process, ended with this object.
class Child {
  public:
    explicit Child(std::vector<const char*> command) {
        command.push_back(nullptr);
        pid_ = ::fork();
        if (pid_ == 0) {
            ::execv(command[0], const_cast<char* const*>(command.data()));
            ::_exit(127);
        }
    }
    ~Child() { end(); }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    void end() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
            pid_ = -1;
        }
    }
    std::string pid() const { return std::to_string(pid_); }

  private:
    pid_t pid_ = -1;
};

class CommandLine : public testing::Test {
  protected:
    /// The program with these arguments; as another user where `user` is not 0.
    Ended suture(std::vector<std::string> arguments, uid_t user = 0,
                 const std::string& program = SUTURE_PROGRAM) const {
        const auto out = folder.path() / "stdout";
        const auto errors = folder.path() / "stderr";
        arguments.insert(arguments.begin(), program);
        std::vector<char*> pointers;
        for (std::string& argument : arguments)
            pointers.push_back(argument.data());
        pointers.push_back(nullptr);
        const pid_t child = ::fork();
        if (child == 0) {
            ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666), STDOUT_FILENO);
            ::dup2(::open(errors.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666), STDERR_FILENO);
            if (user != 0 && (::setgid(user) != 0 || ::setuid(user) != 0))
                ::_exit(126);
            ::execv(pointers[0], pointers.data());
            ::_exit(127);
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read(out), read(errors)};
    }

    std::string file(const std::string& name, ByteView bytes) const { return folder.write(name, bytes).string(); }

    test::Folder folder;
    std::string package = file("fix.dll", test::unsigned_package());
    std::string own_pid = std::to_string(::getpid());
};

TEST_F(CommandLine, WithoutSenseEndsWithUsage) {
    const std::vector<std::vector<std::string>> cases = {
        {},
        {"unknown"},
        {"--unknown"},
        {"apply"},
        {"apply", package},
        {"apply", "--pid", own_pid},
        {"apply", package, "--pid", own_pid, "--unknown"},
        {"apply", package, "--pid", "0"},
        {"apply", package, "--pid", "-1"},
        {"apply", package, "--pid", "0x10"},
        {"apply", package, "--pid", "010"},
        {"apply", package, "--pid", "ten"},
        {"apply", package, "--pid", "99999999999999999999999"},
        {"apply", package, "--pid", own_pid, "--timeout", "-1"},
        {"apply", package, "--pid", own_pid, "--timeout", "nan"},
        {"apply", package, "--pid", own_pid, "--timeout", "inf"},
        {"apply", package, "--pid", own_pid, "--timeout", "1e9"},
        {"apply", package, "--pid", own_pid, "--timeout", "86401"},
        {"apply", package, "--pid", own_pid, "--consistency", "some"},
        {"apply", package, "--pid", own_pid, "--trust", "a.pem", "--allow-unsigned"},
        {"verify", package, "--crl", "a.crl", "--allow-unsigned"},
        {"verify", package, "--trust-timestamps", "a.pem", "--allow-unsigned"},
        {"status"},
        {"status", "--all", "--pid", own_pid},
        {"rollback", "--pid", own_pid},
        {"rollback", "--pid", own_pid, "--module", "a.dll", "--to", "-1"},
        {"rollback", "--pid", own_pid, "--module", "a.dll", "--to", "4294967296"},
        {"remove", "--pid", own_pid, "--module", "a.dll", "--to", "1"},
        {"remove", "--module", "a.dll"},
        {"verify"},
        {"verify", package, package},
    };
    for (const auto& arguments : cases) {
        const Ended run = suture(arguments);
        EXPECT_EQ(run.exit, 2) << testing::PrintToString(arguments) << run.errors;
        EXPECT_EQ(run.out, "") << testing::PrintToString(arguments);
        EXPECT_FALSE(run.errors.empty()) << testing::PrintToString(arguments);
    }
}

TEST_F(CommandLine, ExplainsItself) {
    const Ended run = suture({"--help"});
    EXPECT_EQ(run.exit, 0);
    for (const char* command : {"apply", "status", "rollback", "remove", "verify", "Exit codes"})
        EXPECT_NE(run.out.find(command), std::string::npos) << command;
}

TEST_F(CommandLine, RefusesBadPackages) {
    const Bytes whole = test::unsigned_package();
    Bytes flipped = whole;
    flipped[flipped.size() / 2] ^= 1;
    Bytes extended = whole;
    extended.push_back(0);
    const std::pair<std::string, std::string> cases[] = {
        {(folder.path() / "absent.dll").string(), "file-unreadable"},
        {folder.path().string(), "file-unreadable"},
        {file("empty.dll", Bytes()), "pe-truncated"},
        {file("text.dll", Bytes(100, 'x')), "pe-bad-header"},
        {file("truncated.dll", ByteView(whole.data(), whole.size() - 1)), "pe-truncated"},
        {file("flipped.dll", flipped), "package-damaged"},
        {file("extended.dll", extended), "package-damaged"},
    };
    for (const auto& [path, code] : cases)
        for (const auto& arguments : {std::vector<std::string>{"verify", path, "--allow-unsigned", "--json", "-"},
                                      {"apply", path, "--pid", own_pid, "--allow-unsigned", "--json", "-"}}) {
            const Ended run = suture(arguments);
            EXPECT_EQ(run.exit, 1) << path << run.errors;
            EXPECT_EQ(run.code(), code) << path;
            EXPECT_EQ(run.json().value("result", ""), "bad-input") << path;
            // The reason in one line, and the advice in another.
            EXPECT_TRUE(run.errors.starts_with("suture: error: " + code + ": ")) << run.errors;
            EXPECT_EQ(std::ranges::count(run.errors, '\n'), 2) << run.errors;
        }
}

TEST_F(CommandLine, RefusesFilesThatAreTooLarge) {
    const Ended run = suture({"verify", "/dev/zero", "--allow-unsigned", "--json"});
    EXPECT_EQ(run.exit, 1);
    EXPECT_EQ(run.code(), "file-unreadable");
}

TEST_F(CommandLine, WantsAWordAboutTrust) {
    for (const auto& arguments :
         {std::vector<std::string>{"verify", package, "--json"}, {"apply", package, "--pid", own_pid, "--json"}}) {
        const Ended run = suture(arguments);
        EXPECT_EQ(run.exit, 6);
        EXPECT_EQ(run.code(), "trust-not-stated");
        EXPECT_NE(run.errors.find("--trust CERT"), std::string::npos);
        EXPECT_NE(run.errors.find("--allow-unsigned"), std::string::npos);
    }
}

TEST_F(CommandLine, VerifiesSignatures) {
    const test::Identity publisher = test::make_identity({});
    const std::string signed_package = file("signed.dll", test::sign(test::unsigned_package(), publisher));
    const std::string anchor = folder.write("anchor.pem", publisher.pem()).string();
    const std::string stranger = folder.write("stranger.pem", test::make_identity({}).pem()).string();

    const Ended good = suture({"verify", signed_package, "--trust", anchor, "--json"});
    EXPECT_EQ(good.exit, 0) << good.errors;
    EXPECT_EQ(good.json()["signer"]["subject"], "CN = publisher");
    EXPECT_EQ(good.json()["error"], nullptr);

    EXPECT_EQ(suture({"verify", signed_package, "--trust", stranger}).exit, 6);
    EXPECT_EQ(suture({"verify", package, "--trust", anchor, "--json"}).code(), "unsigned-package");
    EXPECT_EQ(suture({"verify", package, "--trust", anchor}).exit, 6);
    EXPECT_EQ(suture({"verify", signed_package, "--trust", package, "--json"}).code(), "trust-anchor-unreadable");
    EXPECT_EQ(suture({"verify", signed_package, "--trust", "absent.pem"}).exit, 1);

    const Ended allowed = suture({"verify", signed_package, "--allow-unsigned"});
    EXPECT_EQ(allowed.exit, 0);
    EXPECT_NE(allowed.out.find("not verified"), std::string::npos) << allowed.out;
}

TEST_F(CommandLine, TellsWhatAPackageIsFor) {
    const Ended run = suture({"verify", package, "--allow-unsigned", "--json"});
    EXPECT_EQ(run.exit, 0) << run.errors;
    const Json json = run.json();
    EXPECT_EQ(json["result"], "done");
    EXPECT_EQ(json["module"], "heartbeat.dll");
    EXPECT_EQ(json["machine"], "x64");
    EXPECT_EQ(json["signed"], false);
    EXPECT_EQ(json["functions"].size(), 1u);
    EXPECT_EQ(suture({"verify", package, "--allow-unsigned", "--quiet"}).out, "");
}

TEST_F(CommandLine, RefusesProcessesThatAreGone) {
    Child child({"/bin/sleep", "600"});
    const std::string pid = child.pid();
    child.end();
    for (const auto& arguments : {std::vector<std::string>{"apply", package, "--pid", pid, "--allow-unsigned"},
                                  {"status", "--pid", pid},
                                  {"rollback", "--pid", pid, "--module", "a.dll"},
                                  {"remove", "--pid", pid, "--module", "a.dll"}}) {
        std::vector<std::string> with_json = arguments;
        with_json.push_back("--json=-");
        const Ended run = suture(with_json);
        EXPECT_EQ(run.exit, 7) << arguments[0] << run.errors;
        EXPECT_EQ(run.code(), "target-gone") << arguments[0];
    }
}

TEST_F(CommandLine, RefusesProcessesWithoutAPeImage) {
    const Child child({"/bin/sleep", "600"});
    const Ended run = suture({"apply", package, "--pid", child.pid(), "--allow-unsigned", "--json"});
    EXPECT_EQ(run.exit, 4) << run.errors;
    const Json json = run.json();
    std::vector<std::string> keys;
    for (const auto& [key, value] : json.items())
        keys.push_back(key);
    EXPECT_EQ(keys, (std::vector<std::string>{"result", "pid", "modules", "pause_us", "prepare_us", "commit_us",
                                              "attempts", "left", "freed", "state", "packages", "error"}));
    EXPECT_EQ(json["result"], "refused");
    EXPECT_EQ(std::to_string(json["pid"].get<std::uint64_t>()), child.pid());
    EXPECT_EQ(json["modules"], Json::array());
    EXPECT_EQ(json["error"]["code"], "target-not-pe");
    EXPECT_TRUE(json["error"]["detail"].is_string());
}

TEST_F(CommandLine, RefusesProcessesOfOthers) {
    if (::getuid() != 0)
        GTEST_SKIP() << "needs root, to be two users";
    const Child child({"/bin/sleep", "600"});
    // The build folder may be closed to other users.
    const auto program = folder.path() / "suture";
    std::filesystem::copy_file(SUTURE_PROGRAM, program);
    std::filesystem::permissions(program, std::filesystem::perms(0755));
    std::filesystem::permissions(folder.path(), std::filesystem::perms(0755));
    const Ended run = suture({"status", "--pid", child.pid(), "--json"}, 65534, program.string());
    EXPECT_EQ(run.exit, 7) << run.errors;
    EXPECT_EQ(run.code(), "target-inaccessible");
    const Ended all = suture({"status", "--all", "--json"}, 65534, program.string());
    EXPECT_EQ(all.exit, 0) << all.errors;
    EXPECT_GE(all.json().value("inaccessible", 0), 1);
}

TEST_F(CommandLine, ListsNoProcessThatIsNotPatched) {
    const Ended run = suture({"status", "--all", "--json"});
    const Json json = run.json();
    // What runs on this machine meanwhile is not this test's: others may have left processes that are not as they
    // should be.
    EXPECT_EQ(run.exit == 0, json["error"].is_null()) << run.errors;
    ASSERT_TRUE(json["processes"].is_array());
    for (const Json& process : json["processes"])
        EXPECT_TRUE(!process["modules"].empty() || process.contains("error") || process["leftover_bytes"] != 0);
    EXPECT_TRUE(json["inaccessible"].is_number());
    for (const char* count : {"new", "old", "differs", "needs_recover"})
        EXPECT_TRUE(json["summary"][count].is_number()) << count;
}

TEST_F(CommandLine, WritesJsonToAFile) {
    const std::string report = (folder.path() / "report.json").string();
    const Ended run = suture({"verify", package, "--allow-unsigned", "--json", report});
    EXPECT_EQ(run.exit, 0);
    EXPECT_NE(run.out.find("heartbeat.dll"), std::string::npos) << "text is for people all the same";
    EXPECT_EQ(Json::parse(read(report))["module"], "heartbeat.dll");
}

TEST_F(CommandLine, DoesNothingWhereTheResultCannotBeTold) {
    const Ended run = suture({"verify", package, "--allow-unsigned", "--json", "/nonexistent/report.json"});
    EXPECT_EQ(run.exit, 1);
    EXPECT_TRUE(run.errors.starts_with("suture: error: file-unwritable: ")) << run.errors;
    EXPECT_EQ(run.out, "");
}

TEST_F(CommandLine, NeverWritesJsonOverAPackage) {
    const Ended missing = suture({"verify", "--allow-unsigned", "--json", package});
    EXPECT_EQ(missing.exit, 0) << "the command needs the word itself: " << missing.errors;
    EXPECT_EQ(missing.json()["result"], "done");
    const std::string other = file("other.dll", test::large_package());
    EXPECT_EQ(suture({"apply", other, "--pid", own_pid, "--allow-unsigned", "--json", package}).exit, 2);
    EXPECT_EQ(read(package).substr(0, 2), "MZ");
    EXPECT_EQ(read(package).size(), test::unsigned_package().size());
}

TEST_F(CommandLine, ColoursNothingThatIsNoTerminal) {
    const Ended run = suture({"verify", package});
    EXPECT_EQ(run.errors.find('\x1b'), std::string::npos);
}

TEST_F(CommandLine, KeepsControlCharactersOfNamesOffTheTerminal) {
    const std::string path = file("\x1b[31m.dll", test::unsigned_package());
    const Ended good = suture({"verify", path, "--allow-unsigned"});
    EXPECT_EQ(good.exit, 0);
    EXPECT_NE(good.out.find("?[31m.dll"), std::string::npos) << good.out;
    const Ended bad = suture({"verify", path});
    EXPECT_EQ((good.out + good.errors + bad.errors).find('\x1b'), std::string::npos);
    EXPECT_EQ(suture({"verify", path + "x", "--allow-unsigned"}).errors.find('\x1b'), std::string::npos);
}

} // namespace
} // namespace suture::cli
