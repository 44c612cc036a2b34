#include "engine/package/reader.hpp"
#include "engine/package/writer.hpp"
#include "engine/patch/transaction.hpp"
#include "patchgen/diff/change_set.hpp"
#include "patchgen/emit/emit.hpp"
#include "patchgen/program/parse.hpp"
#include "patchgen/prove/prove.hpp"
#include "tests/patchgen/mutation/generate.hpp"
#include "tests/support/emulator/emulated_process.hpp"
#include "tests/support/pe_builder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>

// run-mutants [--packages N] [--at-least N] [--differing N] [--seed S] IMAGE...
// Changes one instruction in a copy of each image, makes the package for it, applies it in the emulator, and calls what
// changed and the exports that are named "run_…" with the same inputs as in a process that has the changed image; then
// rolls back, and calls them once more. N packages for each image. Ends with 1 if a call did something else, fewer than
// --at-least packages were made of all images, or fewer than --differing of them did anything but what the baseline
// does.
//
// A call may fault or never end, as functions are not made for such arguments: then both must. What a call that does
// not end has done by when is not compared, since a redirected call takes some instructions more.

using namespace suture;
using namespace suture::test;

namespace {

constexpr std::uint64_t kInstructions = 50'000; ///< of one call
constexpr int kRounds = 4;
constexpr std::size_t kTries = 4000; ///< for a mutant of one image

struct Arguments {
    std::size_t packages = 5, at_least = 1, differing = 1;
    std::uint64_t seed = 7;
    std::vector<std::string> images;
};

struct Tally {
    std::size_t packages = 0, refused = 0, differing = 0, wrong = 0, calls = 0, ended = 0;
};

/// What was called, and what the variables of the image are then.
struct Outcome {
    std::vector<Call> calls;
    std::vector<Bytes> variables;
};

class Subject {
  public:
    Subject(const Arguments& arguments, std::string path) : arguments_(arguments), path_(std::move(path)) {}

    bool run(Tally& tally) {
        std::ifstream stream(path_, std::ios::binary);
        file_ = Bytes(std::istreambuf_iterator<char>(stream), {});
        auto baseline = load(file_);
        if (!baseline) {
            fmt::print("{}: {}\n", path_, baseline.error().message());
            return false;
        }
        baseline_ = std::move(*baseline);
        std::vector<RvaRange> functions;
        for (const program::Function& function : baseline_->functions())
            functions.push_back(function.range);
        raw_ = RawImage::read(file_, functions);
        if (!raw_ || raw_->instructions().empty())
            return false;
        Random random(arguments_.seed);
        std::size_t made = 0;
        for (std::size_t i = 0; made < arguments_.packages && i < kTries; ++i) {
            const auto kind = static_cast<Kind>(random.below(static_cast<std::size_t>(Kind::constant_byte)));
            if (const auto mutant = generate(*raw_, kind, random))
                made += try_mutant(*mutant, tally);
        }
        return true;
    }

  private:
    Result<std::unique_ptr<const program::Program>> load(Bytes file) const {
        return program::parse({path_, std::move(file), {}, false});
    }

    Result<Bytes> package_for(const program::Program& updated, const diff::ChangeSet& changes) const {
        if (!changes.refusals.empty())
            return std::unexpected(changes.refusals.front());
        SUTURE_TRY(const auto contents, emit::emit(*baseline_, updated, changes, {"mutant", 1, {}}));
        SUTURE_TRY(Bytes bytes, package::write_package(contents));
        SUTURE_CHECK(prove::prove(*baseline_, updated, bytes));
        return bytes;
    }

    /// Stubs change x16, which no function finds anything in; a mutant may look there.
    bool looks_at_scratch(const Mutant& mutant) const {
        const auto word = ByteView(mutant.bytes).read<std::uint32_t>(0);
        return mutant.kind == Kind::register_operand && raw_->is_arm64() && word &&
               ((*word >> 5 & 31) == 16 || (*word >> 16 & 31) == 16);
    }

    bool try_mutant(const Mutant& mutant, Tally& tally) {
        if (looks_at_scratch(mutant))
            return false;
        Bytes file = file_;
        const auto offset = raw_->image().file_offset(mutant.at);
        std::ranges::copy(mutant.bytes, file.begin() + static_cast<std::ptrdiff_t>(offset->value));
        const auto updated = load(file);
        if (!updated)
            return false;
        const auto changes = diff::compare(*baseline_, **updated);
        if (changes.refusals.empty() && changes.no_change())
            return false;
        const auto bytes = package_for(**updated, changes);
        if (!bytes) {
            if (tally.refused++ == 0)
                fmt::print("{}: refused, for example: {}\n", path_, bytes.error().message());
            return false;
        }
        ++tally.packages;
        const package::Package package = *package::Package::parse(*bytes);
        functions_.clear();
        for (const package::Replacement& function : package.manifest().functions)
            functions_.push_back(function.baseline);
        for (const pe::Export& one : baseline_->exports())
            if (one.name.starts_with("run_"))
                functions_.push_back(one.rva);

        EmulatedProcess process(raw_machine());
        process.load(name(), file_);
        variables_ = variables_of(process);
        EmulatedProcess with_update(raw_machine());
        with_update.load(name(), file);
        const Outcome wanted = outcome_of(with_update, tally);
        const Outcome before = outcome_of(process, tally);
        put_back(process);
        if (const auto applied = patch::apply(process, {&package, 1}, {}); !applied)
            return wrong(tally, mutant, "is not applied: " + applied.error().message());
        if (const auto what = difference(outcome_of(process, tally), wanted); !what.empty())
            wrong(tally, mutant, "with the package: " + what);
        tally.differing += !difference(before, wanted).empty();
        if (const auto undone = patch::rollback(process, name(), std::nullopt, {}); !undone)
            return wrong(tally, mutant, "is not rolled back: " + undone.error().message());
        put_back(process);
        if (const auto what = difference(outcome_of(process, tally), before); !what.empty())
            wrong(tally, mutant, "rolled back: " + what);
        return true;
    }

    bool wrong(Tally& tally, const Mutant& mutant, std::string_view what) const {
        ++tally.wrong;
        fmt::print("{}: {} at 0x{:x}: {}\n", path_, name_of(mutant.kind), mutant.at.value, what);
        return true;
    }

    Machine raw_machine() const { return baseline_->image().machine(); }
    std::string name() const { return std::filesystem::path(path_).filename().string(); }

    std::vector<Bytes> variables_of(const EmulatedProcess& process) const {
        std::vector<Bytes> all;
        for (const pe::Section& section : baseline_->image().sections())
            if (section.writable())
                all.push_back(process.peek(EmulatedProcess::kBase + section.range.begin.value, section.range.size));
        return all;
    }
    void put_back(EmulatedProcess& process) const {
        auto bytes = variables_.begin();
        for (const pe::Section& section : baseline_->image().sections())
            if (section.writable())
                process.poke(EmulatedProcess::kBase + section.range.begin.value, *bytes++);
    }

    Outcome outcome_of(EmulatedProcess& process, Tally& tally) const {
        Random random(arguments_.seed);
        Outcome outcome;
        for (int round = 0; round < kRounds; ++round)
            for (const Rva function : functions_) {
                Bytes buffer(EmulatedProcess::kBuffer);
                for (std::uint8_t& byte : buffer)
                    byte = static_cast<std::uint8_t>(random.below(256));
                // Objects of objects, for functions that follow pointers.
                for (std::size_t at = 0; round >= 2 && at < buffer.size(); at += 8)
                    put(buffer, at, EmulatedProcess::kBufferAt.value + random.below(8) * 8);
                const std::uint64_t mask = round % 2 == 0 ? 0xff : ~std::uint64_t{0};
                const std::uint64_t a = random.below(~std::size_t{0}) & mask;
                const std::uint64_t b = random.below(~std::size_t{0}) & mask;
                process.begin_call(EmulatedProcess::kBase + function.value, buffer, a, b);
                const bool ended = process.run(kInstructions);
                Call call = process.end_call();
                ++tally.calls;
                tally.ended += ended && call.error.empty();
                if (!ended || !call.error.empty()) {
                    std::string error = ended ? call.error.substr(0, call.error.find(" at ")) : "does not end";
                    call = {};
                    call.error = std::move(error);
                }
                outcome.calls.push_back(std::move(call));
                // Where it faults or is cut off, it has come as far as in the other process, or a little further.
                if (!outcome.calls.back().error.empty())
                    put_back(process);
            }
        outcome.variables = variables_of(process);
        return outcome;
    }

    static std::string difference(const Outcome& found, const Outcome& wanted) {
        for (std::size_t i = 0; i < wanted.calls.size(); ++i)
            if (found.calls[i] != wanted.calls[i])
                return fmt::format("call {} gives 0x{:x} ({}), not 0x{:x} ({})", i, found.calls[i].result,
                                   found.calls[i].error, wanted.calls[i].result, wanted.calls[i].error);
        return found.variables == wanted.variables ? std::string() : "variables differ";
    }

    const Arguments& arguments_;
    std::string path_;
    Bytes file_;
    std::unique_ptr<const program::Program> baseline_;
    std::unique_ptr<const RawImage> raw_;
    std::vector<Rva> functions_;   ///< to be called
    std::vector<Bytes> variables_; ///< as they are before anything runs
};

std::optional<Arguments> parse(const std::vector<std::string>& words) {
    Arguments arguments;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const auto number = [&](auto& value) {
            const std::string& text = ++i < words.size() ? words[i] : words[0];
            return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc();
        };
        bool good = true;
        if (words[i] == "--packages")
            good = number(arguments.packages);
        else if (words[i] == "--at-least")
            good = number(arguments.at_least);
        else if (words[i] == "--differing")
            good = number(arguments.differing);
        else if (words[i] == "--seed")
            good = number(arguments.seed);
        else if (words[i].starts_with('-'))
            good = false;
        else
            arguments.images.push_back(words[i]);
        if (!good)
            return std::nullopt;
    }
    return arguments.images.empty() ? std::nullopt : std::optional(arguments);
}

} // namespace

int main(int count, char** words) {
    const auto arguments = parse({words + 1, words + count});
    if (!arguments) {
        std::cerr << "run-mutants [--packages N] [--at-least N] [--differing N] [--seed S] IMAGE...\n";
        return 2;
    }
    Tally tally;
    for (const std::string& image : arguments->images)
        if (!Subject(*arguments, image).run(tally))
            fmt::print("{}: not taken\n", image);
    fmt::print("{} packages, {} mutants refused, {} packages differ from the baseline in what they do; {} calls, {} "
               "return; {} wrong\n",
               tally.packages, tally.refused, tally.differing, tally.calls, tally.ended, tally.wrong);
    return tally.wrong == 0 && tally.packages >= arguments->at_least && tally.differing >= arguments->differing ? 0 : 1;
}
