#include "patchgen/cli/commands.hpp"

#include <CLI/CLI.hpp>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace {

using namespace suture::cli;

void add_output_options(CLI::App& command, OutputOptions& options) {
    command
        .add_option("--json", options.json_file, "Write the result as JSON to FILE; '-' or nothing: standard output")
        ->expected(0, 1)
        ->type_name("[FILE]");
    command.add_flag("-v,--verbose", options.verbose, "Say more");
    command.add_flag("--quiet", options.quiet, "Say nothing but errors");
}

void add_images(CLI::App& command, ImagePair& images) {
    command.add_option("BASELINE", images.baseline, "The image that is installed")->required();
    command.add_option("UPDATED", images.updated, "The image built from the fixed source")->required();
}

void add_symbols(CLI::App& command, ImagePair& images) {
    auto* baseline =
        command.add_option("--baseline-symbols", images.baseline_symbols, "PDB, or image with COFF symbols");
    auto* updated = command.add_option("--updated-symbols", images.updated_symbols, "PDB, or image with COFF symbols");
    command.add_flag("--no-symbols", images.no_symbols, "Use the images alone")->excludes(baseline)->excludes(updated);
}

void start_log(const OutputOptions& options) {
    auto logger = spdlog::stderr_color_st("patchgen");
    logger->set_pattern("%n: %^%l%$: %v");
    logger->set_level(options.quiet     ? spdlog::level::err
                      : options.verbose ? spdlog::level::debug
                                        : spdlog::level::warn);
    spdlog::set_default_logger(std::move(logger));
}

/// Threads work side by side for short times: arenas of their own would keep what they have let go.
void keep_memory_small() {
#ifdef __GLIBC__
    constexpr int kLarge = 8 * 1024 * 1024;
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, kLarge);
    mallopt(M_TRIM_THRESHOLD, kLarge);
#endif
}

int run(int argc, char** argv) {
    CLI::App app("Compares two builds of a PE image and makes a hotpatch for running processes.", "patchgen");
    app.require_subcommand(1);
    app.footer("Exit codes: 0 done, 1 bad input, 2 usage, 3 no change, 4 cannot be hotpatched.");
    OutputOptions output;

    CreateOptions create_options;
    auto* create_command = app.add_subcommand("create", "Make a hotpatch from a baseline and an updated image");
    add_images(*create_command, create_options.images);
    create_command->add_option("-o", create_options.package, "The package; default: <stem>_hotpatch.<ext>")
        ->type_name("PACKAGE");
    add_symbols(*create_command, create_options.images);
    create_command->add_option("--id", create_options.id, "What the package calls itself")->type_name("TEXT");
    create_command
        ->add_option("--sequence", create_options.sequence, "Number of the package among those of its baseline")
        ->check(CLI::Range(1u, 0xffffffffu))
        ->type_name("N");
    create_command->add_option("--html", create_options.html, "Write the report as a page for a browser to FILE")
        ->type_name("FILE");

    const auto add_data_changes = [](CLI::App& command, std::vector<std::string>& names) {
        command
            .add_option("--allow-data-change", names,
                        "The process may keep its value of this variable; again for others")
            ->type_name("NAME|+0xRVA")
            ->expected(1)
            ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    };
    add_data_changes(*create_command, create_options.data_changes);

    CheckOptions check_options;
    auto* check_command = app.add_subcommand("check", "Tell for each function whether it can be redirected");
    check_command->add_option("IMAGE", check_options.image, "A PE image")->required();
    auto* check_symbols =
        check_command->add_option("--symbols", check_options.symbols, "PDB, or image with COFF symbols");
    check_command->add_flag("--no-symbols", check_options.no_symbols, "Use the image alone")->excludes(check_symbols);

    InspectOptions inspect_options;
    auto* inspect_command = app.add_subcommand("inspect", "Show everything that a package says");
    inspect_command->add_option("PACKAGE", inspect_options.package, "A hotpatch")->required();

    ProveOptions prove_options;
    auto* prove_command = app.add_subcommand("prove", "Prove that baseline and package do what the updated image does");
    add_images(*prove_command, prove_options.images);
    prove_command->add_option("PACKAGE", prove_options.package, "A hotpatch")->required();
    add_symbols(*prove_command, prove_options.images);
    add_data_changes(*prove_command, prove_options.data_changes);

    for (auto* command : {create_command, check_command, inspect_command, prove_command})
        add_output_options(*command, output);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& success) {
        return app.exit(success);
    } catch (const CLI::ParseError& error) {
        app.exit(error);
        return exit_usage;
    }
    for (const auto* command : {create_command, check_command, inspect_command, prove_command})
        output.json = output.json || command->count("--json") != 0;
    start_log(output);
    const Output out(output);
    if (create_command->parsed())
        return create(create_options, out);
    if (check_command->parsed())
        return check(check_options, out);
    return inspect_command->parsed() ? inspect(inspect_options, out) : prove(prove_options, out);
}

} // namespace

int main(int argc, char** argv) {
    keep_memory_small();
    try {
        return run(argc, argv);
    } catch (const std::exception& exception) { // memory, or a library that throws
        std::fprintf(stderr, "patchgen: %s\n", exception.what());
        return exit_bad_input;
    }
}
