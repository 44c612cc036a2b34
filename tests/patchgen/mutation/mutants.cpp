#include "patchgen/emit/emit.hpp"
#include "patchgen/program/parse.hpp"
#include "patchgen/prove/prove.hpp"
#include "tests/patchgen/mutation/generate.hpp"
#include "tests/patchgen/mutation/judge.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

// mutants [--count N] [--at-least N] [--seed S] [--create-every N] [--no-symbols] [--kind NAME] [-v]
//         [--baseline FILE] IMAGE...
// Changes one thing in a copy of each image, N times, and asks patchgen what changed. Ends with 1 if a change was
// missed, or was reported as one of something else, or fewer than --at-least mutants could be made of all images.
// With --baseline, mutants are compared with that image instead, in which the same things lie elsewhere. An image
// that patchgen already tells from it is not taken. Refusals count wherever they say that the change is.
//
// What is never changed, and why:
// - Fill between functions: nothing runs or reads it, and linkers choose it anew.
// - Headers, relocations, debug data, load config with the tables of control flow guard, and the directories of imports
//   and exceptions other than as the kinds say: a loader reads them, and what they say shows in code and data, which
//   are compared. TimeDateStamp, CheckSum and PDB identity are those of a build, not of what it does.
// - What the loader writes over: the security cookie and the pointers of control flow guard.
// - Imports that nothing leads to: the loader alone sees them.
// - The first four bytes of unwind data, which say where all others lie, and the slot that fills an odd number of
//   unwind operations up, which nobody reads.
// - References to data that nothing else reads as many bytes of: what would be read is no one thing.
// - Exports that change places with functions of the same bytes, and pointers to variables that nothing else leads to:
//   such a variable has merely moved.
// - Versions and manifests among the resources: every build has its own.
//
// Where the judge cannot know better:
// - Where data ends. A byte is taken to belong to the nearest address below it that an instruction, a relocated
//   pointer, an export, exception data or a word that looks like an RVA leads to. One of the functions that get there,
//   or one place on the way, must be named; where instructions access the byte itself, all of their functions.
// - Data that is said to be unchanged although an address below leads there must lie behind the end of a variable that
//   symbols name, or of what one object file put there, or in zeros that align what follows a record of a known form,
//   as patchgen reads them, whether or not it is given them for the comparison.
// - Strings end at their NUL, although a member of something may go on behind it.
// - Leaf functions that the exception directory does not list begin and end where patchgen says; bytes that it leaves
//   out are changed as unreached code.
// - Functions besides those that changed must lead into them, unless all is refused; of changed data they may be any.
// - A variable is named by where it begins, as patchgen reads it: symbols or, without any, its users tell.
// - Code that only data leads to may be named by that data, where it is no longer understood as a function.
// - A thread-local variable, a resource and unreached code are named by where the template, the resource and the gap
//   between functions are.

using namespace suture;
using namespace suture::test;

namespace {

struct Arguments {
    std::size_t count = 200;
    std::uint64_t seed = 20240607;
    std::size_t at_least = 1;
    std::size_t create_every = 20;
    bool symbols = true;
    bool verbose = false;
    std::optional<Kind> kind;
    std::optional<std::string> baseline;
    std::vector<std::string> images;
};

std::optional<Bytes> read_file(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    if (!stream)
        return std::nullopt;
    return Bytes(std::istreambuf_iterator<char>(stream), {});
}

struct Tally {
    std::array<std::array<std::size_t, kVerdicts>, kKinds> counts{};
    std::size_t packages = 0;

    void add(const Tally& other) {
        for (std::size_t i = 0; i < kKinds; ++i)
            for (std::size_t j = 0; j < kVerdicts; ++j)
                counts[i][j] += other.counts[i][j];
        packages += other.packages;
    }
    std::size_t all(Verdict verdict) const {
        std::size_t sum = 0;
        for (const auto& row : counts)
            sum += row[static_cast<std::size_t>(verdict)];
        return sum;
    }
    std::size_t all() const {
        std::size_t sum = 0;
        for (std::size_t i = 0; i < kVerdicts; ++i)
            sum += all(static_cast<Verdict>(i));
        return sum;
    }
};

class Subject {
  public:
    Subject(const Arguments& arguments, std::string path) : arguments_(arguments), path_(std::move(path)) {}

    /// Nothing if the image is not for this: it cannot be read, or holds no code.
    std::optional<Tally> run() {
        auto file = read_file(path_);
        if (!file)
            return std::nullopt;
        file_ = std::move(*file);
        auto original = load(path_, file_);
        if (!original) {
            fmt::print("{}: {}\n", path_, original.error().message());
            return std::nullopt;
        }
        original_ = std::move(*original);
        if (arguments_.baseline && !read_baseline(*arguments_.baseline))
            return std::nullopt;
        std::vector<RvaRange> functions;
        for (const program::Function& function : original_->functions())
            functions.push_back(function.range);
        raw_ = RawImage::read(file_, functions);
        if (!raw_ || raw_->instructions().empty())
            return std::nullopt;
        const auto named = program::parse({path_, file_, read_file(pdb_of(path_)), true});
        leads_ = std::make_unique<const Leads>(*raw_, *original_);
        known_ = std::make_unique<const Leads>(*raw_, named ? **named : *original_);
        Random random(arguments_.seed);
        for (std::size_t i = 0; i < arguments_.count;) {
            const auto mutant = pick(random);
            if (!mutant)
                break;
            ++i;
            try_mutant(*mutant, i % arguments_.create_every == 0);
        }
        return tally_;
    }

  private:
    static std::string pdb_of(const std::string& path) {
        return std::filesystem::path(path).replace_extension(".pdb").string();
    }

    Result<std::unique_ptr<const program::Program>> load(const std::string& path, Bytes file) const {
        return program::parse(
            {path, std::move(file), arguments_.symbols ? read_file(pdb_of(path)) : std::nullopt, arguments_.symbols});
    }

    bool read_baseline(const std::string& path) {
        auto file = read_file(path);
        auto baseline = file ? load(path, std::move(*file)) : std::unexpected(Error(Code::file_unreadable, path));
        if (!baseline) {
            fmt::print("{}: {}\n", path, baseline.error().message());
            return false;
        }
        baseline_ = std::move(*baseline);
        return diff::compare(*baseline_, *original_).no_change();
    }

    /// What mutants are compared with.
    const program::Program& baseline() const { return baseline_ ? *baseline_ : *original_; }

    /// A mutant of a kind that the image has places for; each kind is as likely as any other.
    std::optional<Mutant> pick(Random& random) {
        for (int kinds = 0; kinds < 200; ++kinds) {
            const auto kind = arguments_.kind.value_or(static_cast<Kind>(random.below(kKinds)));
            if (without_places_[static_cast<std::size_t>(kind)])
                continue;
            for (int tries = 0; tries < 2000; ++tries)
                if (auto mutant = generate(*raw_, kind, random))
                    return mutant;
            without_places_[static_cast<std::size_t>(kind)] = true;
        }
        return std::nullopt;
    }

    void try_mutant(const Mutant& mutant, bool create) {
        Bytes file = file_;
        const auto offset = raw_->image().file_offset(mutant.at);
        std::ranges::copy(mutant.bytes, file.begin() + static_cast<std::ptrdiff_t>(offset->value));
        const auto updated = load(path_, std::move(file));
        auto& row = tally_.counts[static_cast<std::size_t>(mutant.kind)];
        if (!updated) {
            ++row[static_cast<std::size_t>(Verdict::unreadable)];
            if (arguments_.verbose)
                fmt::print("{}\n  {}\n", described(mutant, Verdict::unreadable), updated.error().message());
            return;
        }
        const auto changes = diff::compare(baseline(), **updated);
        Verdict verdict = judge(*raw_, *leads_, *known_, mutant, *original_, **updated, changes,
                                baseline_ ? Places::of_updated : Places::of_both);
        std::string proof;
        // What the comparison leaves out, the proof may still find.
        if ((create || verdict == Verdict::missed) && changes.refusals.empty() && !changes.no_change()) {
            proof = proof_of(**updated, changes);
            ++tally_.packages;
            if (proof.starts_with(text_of(Code::proof_failed)))
                verdict = baseline_ ? Verdict::refused : Verdict::elsewhere;
        }
        ++row[static_cast<std::size_t>(verdict)];
        if (verdict < Verdict::elsewhere && !arguments_.verbose)
            return;
        fmt::print("{}\n", described(mutant, verdict));
        if (!mutant.of_code)
            print_uses(mutant.place());
        if (!proof.empty())
            fmt::print("  {}\n", proof);
        for (const auto& change : changes.changes)
            fmt::print("  {} 0x{:x}: {}\n", change.name, change.baseline_rva.value_or(Rva{}).value, change.why);
        for (const Error& refusal : changes.refusals)
            fmt::print("  {}\n", refusal.message());
    }

    void print_uses(Rva at) const {
        const Uses uses = leads_->of(at);
        for (const RvaRange& way : uses.data)
            fmt::print("  by way of 0x{:x} to 0x{:x}\n", way.begin.value, way.end() - 1);
        const auto list = original_->data();
        auto next = std::ranges::upper_bound(list, at, {}, [](const auto& one) { return one.range.begin; });
        for (int i = 0; i < 2 && next != list.begin(); ++i) {
            --next;
            fmt::print("  variable at 0x{:x} of {} bytes{} {}\n", next->range.begin.value, next->range.size,
                       next->size_known ? "" : " or less", fmt::join(next->names, " "));
        }
        for (const Rva user : uses.all)
            fmt::print("  {} 0x{:x}\n", uses.direct.contains(user) ? "directly from" : "from", user.value);
    }

    /// Empty, or why the package could not be made.
    std::string proof_of(const program::Program& updated, const diff::ChangeSet& changes) const {
        const auto contents = emit::emit(baseline(), updated, changes, {.id = "mutant", .sequence = 1, .module = {}});
        if (!contents)
            return contents.error().message();
        const auto bytes = package::write_package(*contents);
        if (!bytes)
            return bytes.error().message();
        const auto proof = prove::prove(baseline(), updated, *bytes);
        return proof ? std::string() : proof.error().message();
    }

    std::string described(const Mutant& mutant, Verdict verdict) const {
        const pe::Section* section = raw_->image().section_at(mutant.at);
        std::vector<std::uint32_t> users;
        for (const Rva user : mutant.users)
            users.push_back(user.value);
        const auto before = raw_->image().bytes_at(mutant.at, mutant.bytes.size())->copy();
        return fmt::format("{}: {}: {} at 0x{:x} ({}): {:02x} -> {:02x}, used at {:x}", path_, name_of(verdict),
                           name_of(mutant.kind), mutant.at.value, section ? section->name : "no section",
                           fmt::join(before, " "), fmt::join(mutant.bytes, " "), fmt::join(users, " "));
    }

    const Arguments& arguments_;
    std::string path_;
    Bytes file_;
    std::unique_ptr<const program::Program> original_; ///< of which the mutants are
    std::unique_ptr<const program::Program> baseline_; ///< where it is another
    std::unique_ptr<const RawImage> raw_;
    std::unique_ptr<const Leads> leads_;
    std::unique_ptr<const Leads> known_;
    std::array<bool, kKinds> without_places_{};
    Tally tally_;
};

void print(const Tally& tally) {
    fmt::print("{:<20}", "");
    for (std::size_t j = 0; j < kVerdicts; ++j)
        fmt::print("{:>11}", name_of(static_cast<Verdict>(j)));
    fmt::print("\n");
    for (std::size_t i = 0; i < kKinds; ++i) {
        fmt::print("{:<20}", name_of(static_cast<Kind>(i)));
        for (const std::size_t count : tally.counts[i])
            fmt::print("{:>11}", count);
        fmt::print("\n");
    }
    fmt::print("{} mutants, {} packages proved, {} elsewhere, {} missed\n", tally.all(), tally.packages,
               tally.all(Verdict::elsewhere), tally.all(Verdict::missed));
}

template <class T>
bool number(const std::string& text, T& value) {
    return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc();
}

std::optional<Arguments> parse(std::vector<std::string> words) {
    Arguments arguments;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const bool more = i + 1 < words.size();
        if (words[i] == "--no-symbols")
            arguments.symbols = false;
        else if (words[i] == "-v")
            arguments.verbose = true;
        else if (words[i] == "--count" && more && number(words[i + 1], arguments.count))
            ++i;
        else if (words[i] == "--at-least" && more && number(words[i + 1], arguments.at_least))
            ++i;
        else if (words[i] == "--seed" && more && number(words[i + 1], arguments.seed))
            ++i;
        else if (words[i] == "--create-every" && more && number(words[i + 1], arguments.create_every) &&
                 arguments.create_every != 0)
            ++i;
        else if (words[i] == "--kind" && more) {
            for (std::size_t kind = 0; kind < kKinds; ++kind)
                if (name_of(static_cast<Kind>(kind)) == words[i + 1])
                    arguments.kind = static_cast<Kind>(kind);
            if (!arguments.kind)
                return std::nullopt;
            ++i;
        } else if (words[i] == "--baseline" && more)
            arguments.baseline = words[++i];
        else if (words[i].starts_with("-"))
            return std::nullopt;
        else
            arguments.images.push_back(words[i]);
    }
    return arguments.images.empty() ? std::nullopt : std::optional(arguments);
}

} // namespace

int main(int count, char** words) {
    const auto arguments = parse({words + 1, words + count});
    if (!arguments) {
        std::cerr
            << "mutants [--count N] [--at-least N] [--seed S] [--create-every N] [--no-symbols] [--kind NAME] [-v]\n"
               "        [--baseline FILE] IMAGE...\n";
        return 2;
    }
    fmt::print("seed {}\n", arguments->seed);
    Tally sum;
    for (const std::string& image : arguments->images)
        if (const auto tally = Subject(*arguments, image).run())
            sum.add(*tally);
        else
            fmt::print("{}: not taken\n", image);
    print(sum);
    if (sum.all() < arguments->at_least)
        fmt::print("fewer mutants than the {} that were asked for\n", arguments->at_least);
    return sum.all() >= arguments->at_least && sum.all(Verdict::elsewhere) == 0 && sum.all(Verdict::missed) == 0 ? 0
                                                                                                                 : 1;
}
