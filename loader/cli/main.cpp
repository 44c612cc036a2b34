#include "loader/cli/commands.hpp"
#include "loader/cli/entry.hpp"
#include "loader/cli/files.hpp"
#include "loader/cli/report.hpp"
#include "loader/cli/system.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <fstream>
#include <string_view>

namespace {

using namespace suture;
using namespace suture::cli;

/// Longest --timeout, in seconds: a day.
constexpr double kMaxTimeout = 86400;

/// `--json` takes the next word as its file, and that may be a package.
std::string refuse_image(const std::string& path) {
    std::ifstream file(path_of(path), std::ios::binary);
    std::array<char, 2> start{};
    if (path != "-" && file.read(start.data(), start.size()) && start == std::array{'M', 'Z'})
        return path + " is a PE image and would be overwritten; for standard output write --json=-";
    return {};
}

/// Any more might not fit 64 bits.
constexpr std::size_t kMaxDigits = 19;

/// Decimal digits and nothing else: no sign, "nan" or "0x", and no leading zero, which would make it octal.
std::string check_number(const std::string& text) {
    const bool holds = !text.empty() && text.size() <= kMaxDigits &&
                       text.find_first_not_of("0123456789") == std::string::npos &&
                       (text.size() == 1 || text.front() != '0');
    return holds ? std::string() : text + " is not a number";
}

/// The same with decimals.
std::string check_decimal(const std::string& text) {
    return text.empty() || text.find_first_not_of("0123456789.") != std::string::npos ? text + " is not a number"
                                                                                      : std::string();
}

void add_output_options(CLI::App& command, OutputOptions& options) {
    command
        .add_option("--json", options.json_file, "Write the result as JSON to FILE; '-' or nothing: standard output")
        ->expected(0, 1)
        ->check(refuse_image)
        ->type_name("[FILE]");
    command.add_flag("-v,--verbose", options.verbose, "Say more, on standard error");
    command.add_flag("--quiet", options.quiet, "Say nothing but errors");
}

CLI::Option* add_pid(CLI::App& command, std::uint64_t& pid) {
    return command.add_option("--pid", pid, "The process, by the PID that this system gives it")
        ->check(check_number)
        ->check(CLI::PositiveNumber)
        ->type_name("PID");
}

void add_module(CLI::App& command, std::string& module) {
    command.add_option("--module", module, "File name of the patched module, e.g. heartbeat.dll")
        ->required()
        ->type_name("NAME");
}

void add_trust(CLI::App& command, TrustOptions& trust) {
    // One file each time, so that a package may follow.
    const auto add_files = [&](const char* name, std::vector<std::string>& files, const char* what, const char* type) {
        return command.add_option(name, files, what)->allow_extra_args(false)->type_name(type);
    };
    auto* anchor = add_files("--trust", trust.anchors,
                             "Take only packages signed by this certificate or one under it (PEM or DER); may be given "
                             "several times, for any of them",
                             "CERT");
    add_files("--trust-timestamps", trust.timestamp_anchors,
              "Take time stamps only from this certificate or one under it; without it, from those under --trust",
              "CERT")
        ->needs(anchor);
    add_files("--crl", trust.revocation_lists,
              "Revocation lists (PEM or DER): refuse signers that their authority revoked or says nothing of", "FILE")
        ->needs(anchor);
    command.add_flag("--allow-unsigned", trust.allow_unsigned, "Take packages of any origin; no signature is verified")
        ->excludes(anchor);
}

void add_timeout(CLI::App& command, double& seconds) {
    command.add_option("--timeout", seconds, "How long to wait for threads to leave the functions that change")
        ->check(check_decimal)
        ->check(CLI::Range(0.0, kMaxTimeout))
        ->capture_default_str()
        ->type_name("SECONDS");
}

void add_consistency(CLI::App& command, std::string& consistency) {
    command
        .add_option(
            "--consistency", consistency,
            "quiescent: no thread is inside a function while it changes; none: calls under way may mix versions")
        ->check(CLI::IsMember({"quiescent", "none"}))
        ->capture_default_str()
        ->type_name("quiescent|none");
}

int run_command_line(int argc, char** argv) {
    CLI::App app("Applies hotpatches to running processes.", "suture");
    app.require_subcommand(1);
    app.allow_windows_style_options(false); // a word that begins with '/' is a path everywhere
    app.footer("Exit codes: 0 done, 1 bad input, 2 usage, 3 nothing to do (already applied, already the baseline, not "
               "patched,\nnothing to recover), 4 refused (status: a module is not intact; any: no PE process), 5 not "
               "quiescent in time,\n"
               "6 not trusted, 7 process gone or not accessible, 8 an operation was cut off: "
               "run `suture recover`.\n"
               "docs/refusals.md lists every reason with its exit code.");
    OutputOptions output_options;
    double timeout = std::chrono::duration<double>(patch::Options().timeout).count();
    std::string consistency = "quiescent";

    ApplyOptions apply_options;
    auto* apply_command = app.add_subcommand("apply", "Apply hotpatches to a process: all of them or none");
    apply_command->add_option("PACKAGE", apply_options.packages, "Hotpatches, one for each module")->required();
    add_pid(*apply_command, apply_options.pid)->required();
    add_trust(*apply_command, apply_options.trust);
    add_timeout(*apply_command, timeout);
    add_consistency(*apply_command, consistency);

    double observed = 0;
    ObservationOptions observation;
    double probe_patience = std::chrono::duration<double>(observation.probe_patience).count();
    auto* observe_option =
        apply_command
            ->add_option("--observe", observed,
                         "Watch the process that long after the commit, and roll back if it does not do well")
            ->check(check_decimal)
            ->check(CLI::Range(0.0, kMaxTimeout))
            ->type_name("SECONDS");
    auto* probe_option =
        apply_command
            ->add_option(
                "--probe", observation.probe,
                "A command for the shell that succeeds as long as the program does well (its PID is in SUTURE_PID); "
                "run before the commit, and again and again while it is observed")
            ->needs(observe_option)
            ->type_name("COMMAND");
    apply_command->add_option("--probe-timeout", probe_patience, "How long each probe may take")
        ->check(check_decimal)
        ->check(CLI::Range(0.0, kMaxTimeout))
        ->needs(probe_option)
        ->capture_default_str()
        ->type_name("SECONDS");

    RunOptions run_options;
    auto* run_command = app.add_subcommand("run", "Start a program and patch it before its first instruction");
    run_command->add_option("PACKAGE", run_options.packages, "Hotpatches, one for each module")->required();
    add_trust(*run_command, run_options.trust);
    add_timeout(*run_command, timeout);
    run_command->footer(
        "Behind -- follow PROGRAM and its ARGUMENTs. A PE file is started by Wine: wine64 or wine in PATH, "
        "else\n/usr/lib/wine/wine64; any other program, such as wine64 itself, as it is.\n"
        "The program has the PID of this command, and its exit code is the program's, unless a package "
        "is\nrefused or the program cannot be started: then nothing of it has run.");

    StatusOptions status_options;
    std::uint64_t status_pid = 0;
    bool status_all = false;
    auto* status_command = app.add_subcommand("status", "Show what is patched, and whether all is as it was written");
    auto* which = status_command->add_option_group("which", "One of these");
    add_pid(*which, status_pid);
    which->add_flag("--all", status_all, "Every process that runs a PE image and may be accessed");
    which->require_option(1);
    status_command
        ->add_option("--package", status_options.packages,
                     "With --all: ask for this hotpatch, not for the newest that is found in any process")
        ->type_name("PACKAGE");
    add_trust(*status_command, status_options.trust);

    RollbackOptions rollback_options;
    auto* rollback_command = app.add_subcommand("rollback", "Put an earlier version of a module in force");
    add_pid(*rollback_command, rollback_options.pid)->required();
    add_module(*rollback_command, rollback_options.module);
    rollback_command
        ->add_option("--to", rollback_options.to, "The version, 0 for the baseline; default: the one before")
        ->check(check_number)
        ->type_name("SEQUENCE");
    add_timeout(*rollback_command, timeout);
    add_consistency(*rollback_command, consistency);

    RemoveOptions remove_options;
    auto* remove_command = app.add_subcommand("remove", "Take every hotpatch of a module out, bytes as before");
    add_pid(*remove_command, remove_options.pid)->required();
    add_module(*remove_command, remove_options.module);
    add_timeout(*remove_command, timeout);

    RecoverOptions recover_options;
    auto* recover_command = app.add_subcommand("recover", "Finish or undo what an operation began that was cut off");
    add_pid(*recover_command, recover_options.pid)->required();
    add_timeout(*recover_command, timeout);

    VerifyOptions verify_options;
    auto* verify_command = app.add_subcommand("verify", "Check a hotpatch's signature and structure");
    verify_command->add_option("PACKAGE", verify_options.package, "A hotpatch")->required();
    add_trust(*verify_command, verify_options.trust);

    const std::array commands{apply_command,  run_command,     status_command, rollback_command,
                              remove_command, recover_command, verify_command};
    for (CLI::App* command : commands)
        add_output_options(*command, output_options);
    // What follows the first "--" of `run` belongs to the program.
    int own = argc;
    if (argc > 1 && std::string_view(argv[1]) == "run")
        own = static_cast<int>(std::find(argv, argv + argc, std::string_view("--")) - argv);
    if (own < argc)
        run_options.command.assign(argv + own + 1, argv + argc);
    try {
        app.parse(own, argv);
        if (run_command->parsed() && run_options.command.empty())
            throw CLI::RequiredError("-- PROGRAM");
        if (!status_options.packages.empty() && !status_all)
            throw CLI::RequiresError("--package", "--all");
    } catch (const CLI::Success& success) {
        return app.exit(success);
    } catch (const CLI::ParseError& error) {
        app.exit(error);
        return static_cast<int>(Exit::usage);
    }
    for (const CLI::App* command : commands)
        output_options.json = output_options.json || command->count("--json") != 0;

    patch::Options patch;
    patch.timeout = std::chrono::round<std::chrono::nanoseconds>(std::chrono::duration<double>(timeout));
    patch.before_commit = warn_of_state;
    patch.consistency = consistency == "none" ? patch::Consistency::none : patch::Consistency::quiescent;
    apply_options.patch = run_options.patch = rollback_options.patch = remove_options.patch = recover_options.patch =
        patch;
    if (*observe_option) {
        const auto nanoseconds = [](double seconds) {
            return std::chrono::round<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds));
        };
        observation.duration = nanoseconds(observed);
        observation.probe_patience = nanoseconds(probe_patience);
        observation.verbose = output_options.verbose;
        apply_options.observation = observation;
    }
    if (!status_all)
        status_options.pid = status_pid;

    Output output(output_options);
    if (auto begun = output.begin(); !begun) {
        Answer answer;
        answer.error = begun.error();
        return static_cast<int>(output.deliver(answer));
    }
    if (run_command->parsed())
        return static_cast<int>(cli::run(run_options, output));
    const auto answer = [&] {
        if (apply_command->parsed())
            return apply(apply_options);
        if (status_command->parsed())
            return status(status_options);
        if (rollback_command->parsed())
            return rollback(rollback_options);
        if (recover_command->parsed())
            return recover(recover_options);
        return remove_command->parsed() ? cli::remove(remove_options) : verify(verify_options);
    };
    return static_cast<int>(output.deliver(answer()));
}

} // namespace

int suture::cli::enter(int argc, char** argv) {
    try {
        if (const int code = prepare_process(argc, argv); code != kNothingElse)
            return code;
        return run_command_line(argc, argv);
    } catch (const std::exception& exception) { // memory, or a library that throws
        std::fprintf(stderr, "suture: error: %s\n", exception.what());
        return static_cast<int>(Exit::bad_input);
    }
}
