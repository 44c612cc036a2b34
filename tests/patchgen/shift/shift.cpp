#include "patchgen/diff/change_set.hpp"
#include "patchgen/program/program.hpp"
#include "tests/patchgen/match/symbol_truth.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <random>

// shift --linker COMMAND [--machine NAME] --objects FOLDER [--symbols yes|no] [--count N] [--seed S] [LIBRARY...]
// Links the same objects again and again, each time in another order, with or without inserted.o among them, at
// another base and with other section alignments, and compares each image with the first one, with symbols and without:
// nothing may be reported. Then once more with changed.o in place of words.o: exactly that one function may be. What is
// paired without symbols is judged by the symbols: no pair may be false, and nearly all must be found.

using namespace suture;

namespace {

namespace fs = std::filesystem;

struct Arguments {
    std::string linker;
    bool link_exe = false; ///< the linker takes the options of Microsoft's, not those of GNU's
    std::string machine;   ///< for link_exe
    fs::path objects;
    std::vector<bool> symbols{true, false}; ///< whether they are used
    std::size_t count = 3;
    std::uint64_t seed = 20240607;
    std::vector<std::string> libraries;
};

/// The function of words.c that is another one in changed.o.
constexpr std::string_view kChanged = "compute";
constexpr std::array<std::uint64_t, 4> kBases{0x180000000, 0x6ff000000, 0x140000000, 0x7ff812340000};
constexpr std::array<std::uint32_t, 3> kAlignments{0x1000, 0x2000, 0x10000};

class Random {
  public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}
    std::size_t below(std::size_t count) { return static_cast<std::size_t>(engine_() % count); }
    template <class T>
    void shuffle(std::vector<T>& list) {
        for (std::size_t i = list.size(); i > 1; --i)
            std::swap(list[i - 1], list[below(i)]);
    }

  private:
    std::mt19937_64 engine_;
};

struct Layout {
    std::vector<std::string> order;
    std::uint64_t base = kBases[0];
    std::uint32_t alignment = kAlignments[0];

    std::string text() const {
        return fmt::format("{} at 0x{:x}, alignment 0x{:x}", fmt::join(order, " "), base, alignment);
    }
};

class Runs {
  public:
    explicit Runs(const Arguments& arguments) : arguments_(arguments), random_(arguments.seed) {}

    int run() {
        Layout first{{"entry", "shapes", "words", "state", "twins"}, kBases[0], kAlignments[0]};
        const std::string baseline = link("baseline", first);
        if (baseline.empty())
            return 1;
        for (std::size_t i = 0; i < arguments_.count; ++i) {
            Layout layout = first;
            random_.shuffle(layout.order);
            const std::size_t where = random_.below(layout.order.size() + 3);
            if (where <= layout.order.size())
                layout.order.insert(layout.order.begin() + static_cast<std::ptrdiff_t>(where), "inserted");
            else if (where == layout.order.size() + 1)
                layout.order.insert(layout.order.begin(), "inserted");
            layout.base = kBases[random_.below(kBases.size())];
            layout.alignment = kAlignments[random_.below(kAlignments.size())];
            const std::string same = link("same", layout);
            std::ranges::replace(layout.order, "words", "changed");
            const std::string changed = link("changed", layout);
            if (same.empty() || changed.empty())
                return 1;
            for (const bool symbols : arguments_.symbols) {
                expect(baseline, same, symbols, false, layout);
                expect(baseline, changed, symbols, true, layout);
            }
            judge_pairs(baseline, same, layout);
            judge_pairs(baseline, changed, layout);
        }
        fmt::print("{} images compared, {} wrong; without symbols {} of {} functions found\n", compared_, wrong_, found_,
                   pairs_);
        return wrong_ == 0 && found_ * 100 >= pairs_ * 97 ? 0 : 1;
    }

  private:
    /// Path of the image, or nothing if the linker fails.
    std::string link(const std::string& name, const Layout& layout) {
        const std::string image = name + ".dll";
        std::string command = arguments_.linker;
        if (arguments_.link_exe)
            command += fmt::format(" /dll /machine:{} /entry:library_entry /noimplib /nodefaultlib /debug /pdb:{}.pdb "
                                   "/out:{} /base:0x{:x} /align:{} /opt:noref /brepro",
                                   arguments_.machine, name, image, layout.base, layout.alignment);
        else
            command += fmt::format(" -m i386pep -shared -e library_entry --dynamicbase -o {} --image-base=0x{:x} "
                                   "--section-alignment=0x{:x} {}",
                                   image, layout.base, layout.alignment,
                                   arguments_.linker.find("lld") == std::string::npos ? "--enable-reloc-section" : "");
        for (const std::string& object : layout.order)
            command += fmt::format(" '{}'", (arguments_.objects / (object + ".o")).string());
        for (const std::string& library : arguments_.libraries)
            command += " '" + library + "'";
        if (std::system(command.c_str()) == 0)
            return image;
        fmt::print("failed: {}\n", command);
        return {};
    }

    static std::unique_ptr<const program::Program> load(const std::string& path, bool symbols) {
        auto program = program::Program::load(path, {{}, symbols});
        if (!program)
            fmt::print("{}\n", program.error().message());
        return program ? std::move(*program) : nullptr;
    }

    static std::optional<Rva> entry_of(const program::Program& program, std::string_view name) {
        for (const program::Function& function : program.functions())
            if (std::ranges::find(function.names, name) != function.names.end())
                return function.range.begin;
        return std::nullopt;
    }

    void expect(const std::string& before, const std::string& after, bool symbols, bool changed, const Layout& layout) {
        ++compared_;
        const auto baseline = load(before, symbols);
        const auto updated = load(after, symbols);
        const auto named = load(before, true);
        bool right = baseline && updated && named;
        diff::ChangeSet set;
        if (right) {
            set = diff::compare(*baseline, *updated);
            const auto wanted = entry_of(*named, kChanged);
            right = set.refusals.empty() && set.changes.empty() != changed && (!changed || wanted);
            // A part that the compiler separated goes with its function.
            const auto cold = entry_of(*named, std::string(kChanged) + ".cold");
            for (const diff::Change& change : set.changes)
                right &= change.baseline_rva == wanted || (cold && change.baseline_rva == cold);
            right &= !changed || std::ranges::any_of(set.changes, [&](const diff::Change& change) {
                return change.baseline_rva == wanted;
            });
        }
        if (right)
            return;
        ++wrong_;
        fmt::print("{}, {}: {}\n", layout.text(), symbols ? "with symbols" : "without symbols",
                   changed ? "not the one change" : "a change that is none");
        for (const diff::Change& change : set.changes)
            fmt::print("  {} 0x{:x} -> 0x{:x}: {}\n", change.name, change.baseline_rva.value_or(Rva{}).value,
                       change.updated_rva.value_or(Rva{}).value, change.why);
        for (const Error& refusal : set.refusals)
            fmt::print("  {}\n", refusal.message());
    }

    void judge_pairs(const std::string& before, const std::string& after, const Layout& layout) {
        const auto truth = test::symbol_truth_of(before, after);
        if (!truth || !truth->wrong.empty()) {
            ++wrong_;
            fmt::print("{}: {}\n", layout.text(),
                       truth ? fmt::format("false pairs {}", fmt::join(truth->wrong, "; ")) : truth.error().message());
            return;
        }
        pairs_ += truth->pairs;
        found_ += truth->found;
    }

    const Arguments& arguments_;
    Random random_;
    std::size_t compared_ = 0;
    std::size_t wrong_ = 0;
    std::size_t pairs_ = 0; ///< functions whose counterparts symbols tell
    std::size_t found_ = 0;
};

template <class T>
bool number(const std::string& text, T& value) {
    return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc();
}

std::optional<Arguments> parse(const std::vector<std::string>& words) {
    Arguments arguments;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (!words[i].starts_with("--")) {
            arguments.libraries.push_back(words[i]);
            continue;
        }
        if (i + 1 == words.size())
            return std::nullopt;
        const std::string& option = words[i];
        const std::string& value = words[++i];
        if (option == "--linker")
            arguments.linker = value;
        else if (option == "--machine") {
            arguments.link_exe = true;
            arguments.machine = value;
        } else if (option == "--symbols" && (value == "yes" || value == "no"))
            arguments.symbols = {value == "yes"};
        else if (option == "--objects")
            arguments.objects = value;
        else if (!(option == "--count" && number(value, arguments.count)) &&
                 !(option == "--seed" && number(value, arguments.seed)))
            return std::nullopt;
    }
    return arguments.linker.empty() || arguments.objects.empty() ? std::nullopt : std::optional(arguments);
}

} // namespace

int main(int count, char** words) {
    const auto arguments = parse({words + 1, words + count});
    if (!arguments) {
        std::cerr << "shift --linker COMMAND [--machine NAME] --objects FOLDER [--symbols yes|no] [--count N] [--seed "
                     "S] [LIBRARY...]\n";
        return 2;
    }
    std::string folder = (fs::temp_directory_path() / "suture-shift-XXXXXX").string();
    if (!::mkdtemp(folder.data()))
        return 2;
    fs::current_path(folder);
    fmt::print("seed {}\n", arguments->seed);
    const int result = Runs(*arguments).run();
    fs::current_path("/");
    fs::remove_all(folder);
    return result;
}
