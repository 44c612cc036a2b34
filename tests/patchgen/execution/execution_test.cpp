// What a package is for: a process with the baseline and the package does what one with the updated image does. Pairs
// of DLLs are built for this, patched by the engine, and run in an emulator on the same inputs.

#include "engine/package/reader.hpp"
#include "engine/patch/transaction.hpp"
#include "patchgen/emit/emit.hpp"
#include "patchgen/prove/prove.hpp"
#include "tests/support/emulator/emulated_process.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace suture {
namespace {

using test::Call;
using test::EmulatedProcess;

constexpr int kInputs = 40; ///< for each function

struct PairName {
    std::string source, machine, optimisation;
    bool symbols = true;

    std::string path(std::string_view version) const {
        return std::string(SUTURE_EXECUTION_PAIRS) + "/" + source + "-" + machine + "-" + optimisation + "/" +
               std::string(version) + "/" + source + ".dll";
    }
    std::string module() const { return source + ".dll"; }
};

/// A pair, what differs, and the package for it.
struct Pair {
    explicit Pair(const PairName& pair_name) : name(pair_name) {
        baseline = load("baseline");
        updated = load("updated");
        if (!baseline || !updated)
            return;
        changes = diff::compare(*baseline, *updated);
        for (const Error& refusal : changes.refusals)
            obstacle += refusal.message() + "\n";
        if (!obstacle.empty())
            return;
        auto made = package();
        if (made)
            bytes = std::move(*made);
        else
            obstacle = made.error().message();
    }

    Result<patch::Report> apply_to(EmulatedProcess& process, const patch::Options& options = {}) const {
        SUTURE_TRY(const package::Package parsed, package::Package::parse(bytes));
        return patch::apply(process, {&parsed, 1}, options);
    }

    /// A process with one of both, in which a package for the other would find what it imports.
    std::unique_ptr<EmulatedProcess> process_of(const program::Program& program) const {
        auto process = std::make_unique<EmulatedProcess>(program.image().machine());
        process->provide(baseline->file());
        process->provide(updated->file());
        process->load(name.module(), program.file());
        return process;
    }

    PairName name;
    std::unique_ptr<const program::Program> baseline, updated;
    diff::ChangeSet changes;
    Bytes bytes;
    std::string obstacle;

  private:
    std::unique_ptr<const program::Program> load(std::string_view version) {
        auto program = program::Program::load(name.path(version), {{}, name.symbols});
        if (!program) {
            obstacle = program.error().message();
            return nullptr;
        }
        return std::move(*program);
    }
    Result<Bytes> package() const {
        SUTURE_TRY(const package::Contents contents, emit::emit(*baseline, *updated, changes, {}));
        SUTURE_TRY(Bytes made, package::write_package(contents));
        SUTURE_CHECK(prove::prove(*baseline, *updated, made));
        return made;
    }
};

/// One call and what it is to be given.
struct Input {
    std::string function;
    Bytes buffer;
    std::uint64_t a = 0, b = 0;
};

/// The same for the same pair, whatever is run.
std::vector<Input> inputs_for(const program::Program& program) {
    std::mt19937_64 random(20);
    std::vector<Input> inputs;
    for (int round = 0; round < kInputs; ++round)
        for (const pe::Export& function : program.exports()) {
            if (!function.name.starts_with("run_"))
                continue;
            Input input{function.name, Bytes(EmulatedProcess::kBuffer), random(), random()};
            for (std::uint8_t& byte : input.buffer)
                byte = static_cast<std::uint8_t>(random());
            if (round % 4 == 1)
                input.a &= 0xff, input.b &= 0xf;
            inputs.push_back(std::move(input));
        }
    return inputs;
}

Va address_of(const program::Program& program, std::string_view function) {
    const auto found = std::ranges::find(program.exports(), function, &pe::Export::name);
    return EmulatedProcess::kBase + found->rva.value;
}

/// The variables of the image, from before anything ran.
class Variables {
  public:
    Variables(EmulatedProcess& process, const program::Program& program) : process_(process) {
        for (const pe::Section& section : program.image().sections())
            if (section.writable())
                values_.emplace_back(
                    EmulatedProcess::kBase + section.range.begin.value,
                    process.peek(EmulatedProcess::kBase + section.range.begin.value, section.range.size));
    }
    void put_back() const {
        for (const auto& [at, bytes] : values_)
            process_.poke(at, bytes);
    }

  private:
    EmulatedProcess& process_;
    std::vector<std::pair<Va, Bytes>> values_;
};

std::vector<Call> run(EmulatedProcess& process, const program::Program& program, std::span<const Input> inputs) {
    std::vector<Call> calls;
    for (const Input& input : inputs)
        calls.push_back(process.call(address_of(program, input.function), input.buffer, input.a, input.b));
    return calls;
}

void expect_same(std::span<const Input> inputs, std::span<const Call> wanted, std::span<const Call> found) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        SCOPED_TRACE(inputs[i].function + ", call " + std::to_string(i));
        EXPECT_EQ(wanted[i].error, "");
        EXPECT_EQ(found[i].error, "");
        EXPECT_EQ(found[i].result, wanted[i].result);
        EXPECT_EQ(found[i].buffer, wanted[i].buffer);
        EXPECT_EQ(found[i].preserved, wanted[i].preserved);
        EXPECT_EQ(found[i].out, wanted[i].out);
        if (testing::Test::HasFailure())
            return;
    }
}

/// Writable data of the updated image by name, as an address in a process that runs it.
struct NamedGlobal {
    std::string name;
    RvaRange range;
};

std::vector<NamedGlobal> globals_of(const program::Program& program) {
    std::vector<NamedGlobal> globals;
    for (const program::DataObject& object : program.data())
        if (object.writable && !object.names.empty())
            globals.push_back({object.names.front(), object.range});
    return globals;
}

/// Where the package that is applied lies: what a call of a replaced function leads to tells.
Va package_base(const EmulatedProcess& patched, const package::Package& package) {
    const package::Replacement& any = package.manifest().functions.front();
    Va at = EmulatedProcess::kBase + any.baseline.value;
    for (int hop = 0; hop < 4; ++hop) {
        const auto jump = isa::isa_for(patched.machine())->jump_at(patched.peek(at, 8), at);
        if (!jump)
            break;
        at = jump->indirect ? Va{*ByteView(patched.peek(jump->to, 8)).read<std::uint64_t>(0)} : jump->to;
        if (jump->indirect)
            break;
    }
    return Va{at.value - any.patch.value};
}

/// Every global that both have: what it holds after the same calls.
void expect_same_globals(const Pair& pair, const EmulatedProcess& patched, const EmulatedProcess& updated) {
    const package::Package package = *package::Package::parse(pair.bytes);
    const Va package_at = package_base(patched, package);
    const std::vector<NamedGlobal> before = globals_of(*pair.baseline);
    for (const NamedGlobal& global : globals_of(*pair.updated)) {
        SCOPED_TRACE(global.name);
        Va at;
        const auto old = std::ranges::find(before, global.name, &NamedGlobal::name);
        const auto added = std::ranges::find(package.manifest().globals, global.name, &package::Global::name);
        if (added != package.manifest().globals.end())
            at = package_at + added->at.value;
        else if (old != before.end())
            at = EmulatedProcess::kBase + old->range.begin.value;
        else
            continue; // nothing that runs uses it
        EXPECT_EQ(patched.peek(at, global.range.size),
                  updated.peek(EmulatedProcess::kBase + global.range.begin.value, global.range.size));
    }
}

/// Pairs that may be refused. Without symbols nothing says which old global a moved one is; the proof of Arm64 does not
/// follow every register to a table whose entries moved; and code that nothing is known to lead to differs. One
/// function has no site with symbols or without: it loops to its second instruction, and no fill lies near.
bool may_be_refused(const PairName& name) {
    if (name.source == "wide" && name.machine == "x64" && name.optimisation == "Os")
        return true;
    if (name.symbols)
        return false;
    const bool arm64 = name.machine == "arm64";
    return name.source == "globals" || name.source == "image_base" ||
           (arm64 && (name.source == "strings" || name.source == "calls" || name.source == "parser"));
}

class Execution : public testing::TestWithParam<PairName> {};

TEST_P(Execution, OfBaselineAndPackageIsThatOfTheUpdatedImage) {
    const Pair pair(GetParam());
    if (!pair.obstacle.empty() && may_be_refused(GetParam()))
        GTEST_SKIP() << pair.obstacle;
    ASSERT_EQ(pair.obstacle, "");
    const std::vector<Input> inputs = inputs_for(*pair.baseline);
    ASSERT_FALSE(inputs.empty());
    const auto updated = pair.process_of(*pair.updated);
    const std::vector<Call> wanted = run(*updated, *pair.updated, inputs);

    const auto patched = pair.process_of(*pair.baseline);
    const auto untouched = patched->memory();
    const Variables variables(*patched, *pair.baseline);
    const auto again = [&] {
        variables.put_back();
        return run(*patched, *pair.baseline, inputs);
    };
    const std::vector<Call> before = again();
    EXPECT_NE(before, wanted) << "the inputs do not tell the versions apart";

    variables.put_back();
    const auto applied = pair.apply_to(*patched);
    ASSERT_TRUE(applied) << applied.error().message();
    expect_same(inputs, wanted, again());
    EXPECT_FALSE(patched->executed_outside().empty());
    if (pair.name.symbols)
        expect_same_globals(pair, *patched, *updated);

    const auto undone = patch::rollback(*patched, pair.name.module(), std::nullopt, {});
    ASSERT_TRUE(undone) << undone.error().message();
    expect_same(inputs, before, again());

    const auto removed = patch::remove(*patched, pair.name.module(), {});
    ASSERT_TRUE(removed) << removed.error().message();
    variables.put_back();
    EXPECT_EQ(patched->memory(), untouched);
    expect_same(inputs, before, again());
}

std::vector<PairName> all_pairs(bool symbols) {
    std::vector<PairName> pairs;
    for (const char* machine : {"x64", "arm64"})
        for (const char* source : {"callbacks", "calls", "checksums", "floats", "globals", "parser", "records",
                                   "strings", "switches", "wide"})
            for (const char* optimisation : {"O0", "O1", "O2", "Os"})
                pairs.push_back({source, machine, optimisation, symbols});
    pairs.push_back({"pages", "arm64", "O2", symbols});
    pairs.push_back({"byte_table", "arm64", "O2", symbols});
    pairs.push_back({"image_base", "x64", "O2", symbols});
    return pairs;
}

std::string text_of(const testing::TestParamInfo<PairName>& info) {
    return info.param.source + "_" + info.param.machine + "_" + info.param.optimisation;
}

INSTANTIATE_TEST_SUITE_P(WithSymbols, Execution, testing::ValuesIn(all_pairs(true)), text_of);
INSTANTIATE_TEST_SUITE_P(WithoutSymbols, Execution, testing::ValuesIn(all_pairs(false)), text_of);

/// Addresses that calls of replaced functions ran through in the package, and are in none of these functions.
std::size_t executed_beside(const Pair& pair) {
    const auto process = pair.process_of(*pair.baseline);
    EXPECT_TRUE(pair.apply_to(*process));
    const package::Package package = *package::Package::parse(pair.bytes);
    const Va base = package_base(*process, package);
    run(*process, *pair.baseline, inputs_for(*pair.baseline));
    std::size_t count = 0;
    for (const std::uint64_t at : process->executed_outside()) {
        const bool in_package = at >= base.value && at < base.value + package.image().size_of_image();
        const bool in_function = std::ranges::any_of(package.manifest().functions, [&](const auto& function) {
            return at - base.value - function.patch.value < function.patch_size;
        });
        count += in_package && !in_function;
    }
    return count;
}

/// A package is applied when a call of a function that it replaces has run for some instructions: the call ends as one
/// of the baseline, one that begins later is one of the update.
TEST(ExecutionOfCallsUnderWay, EndsInTheCodeThatTheyBeganIn) {
    for (const char* machine : {"arm64", "x64"})
        for (const char* source : {"parser", "strings", "checksums"}) {
            SCOPED_TRACE(std::string(source) + " " + machine);
            const Pair pair({source, machine, "O2", true});
            ASSERT_EQ(pair.obstacle, "");
            const package::Package package = *package::Package::parse(pair.bytes);
            std::vector<Input> inputs = inputs_for(*pair.baseline);
            std::erase_if(inputs, [&](const Input& input) {
                const Rva rva{
                    static_cast<std::uint32_t>(address_of(*pair.baseline, input.function) - EmulatedProcess::kBase)};
                return std::ranges::count(package.manifest().functions, rva, &package::Replacement::baseline) == 0;
            });
            ASSERT_FALSE(inputs.empty());
            unsigned waited = 0;
            for (std::uint64_t instructions = 1; instructions < 120; instructions += 7) {
                const Input& input = inputs[instructions % inputs.size()];
                const Va function = address_of(*pair.baseline, input.function);
                const auto updated = pair.process_of(*pair.updated);
                const Call wanted =
                    updated->call(address_of(*pair.updated, input.function), input.buffer, input.a, input.b);
                const auto baseline = pair.process_of(*pair.baseline);
                const Call before = baseline->call(function, input.buffer, input.a, input.b);

                const auto patched = pair.process_of(*pair.baseline);
                patched->begin_call(function, input.buffer, input.a, input.b);
                patched->run(instructions);
                const auto applied = pair.apply_to(*patched);
                ASSERT_TRUE(applied) << applied.error().message();
                waited += applied->attempts > 1;
                patched->run();
                const Call ended = patched->end_call();
                expect_same({&input, 1}, {&before, 1}, {&ended, 1});
                const auto fresh = pair.process_of(*pair.baseline);
                ASSERT_TRUE(pair.apply_to(*fresh));
                const Call next = fresh->call(function, input.buffer, input.a, input.b);
                expect_same({&input, 1}, {&wanted, 1}, {&next, 1});
            }
            EXPECT_GT(waited, 0u);
        }
}

TEST(ExecutionArm64, RunsTheVeneersOfUsersOfOnePageThatPartWays) {
    const Pair pair({"pages", "arm64", "O2", true});
    ASSERT_EQ(pair.obstacle, "");
    EXPECT_GT(executed_beside(pair), 0u);
}

TEST(ExecutionOfSwitches, RunsJumpTablesOfThePackage) {
    for (const char* machine : {"x64", "arm64"})
        for (const char* optimisation : {"O1", "O2"}) {
            SCOPED_TRACE(std::string(machine) + " " + optimisation);
            const Pair pair({"switches", machine, optimisation, true});
            ASSERT_EQ(pair.obstacle, "");
            std::size_t tables = 0;
            for (const diff::EmittedFunction& function : pair.changes.functions)
                tables += function.updated->jump_tables.size();
            EXPECT_GE(tables, 1u);
        }
}

} // namespace
} // namespace suture
