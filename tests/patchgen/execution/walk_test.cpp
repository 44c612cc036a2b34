// Stack walks against the truth: functions run in the emulator, and at each instruction boundary the walk is compared
// with the calls that were seen to be made and not to have returned.

#include "engine/patch/call_forms_arm64.hpp"
#include "engine/patch/stack_walk.hpp"
#include "engine/pe/exports.hpp"
#include "tests/support/emulator/emulated_process.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>

namespace suture::patch {
namespace {

using test::EmulatedProcess;

/// What a thread has called and not come back from.
class CallsUnderWay {
  public:
    explicit CallsUnderWay(const EmulatedProcess& process) : process_(process) {}

    void begin(const target::ThreadState& thread) {
        // The outermost one has been called by nobody that was seen.
        const bool pushed = process_.machine() == Machine::x64;
        calls_ = {{process_.bottom(), thread.sp + (pushed ? 8 : 0), Arrival::returning}};
        before_.reset();
    }
    /// Before each instruction.
    void note(const target::ThreadState& thread) {
        if (!calls_.empty() && thread.ip == calls_.back().ip && thread.sp == calls_.back().sp)
            calls_.pop_back();
        else if (before_ && called(*before_, thread))
            calls_.push_back({returns_to(thread), before_->sp, Arrival::returning});
        before_ = thread;
    }
    const std::vector<Frame>& calls() const { return calls_; }

  private:
    Va returns_to(const target::ThreadState& thread) const {
        if (process_.machine() == Machine::arm64)
            return Va{thread.registers[30]};
        return Va{*ByteView(process_.peek(thread.sp, 8)).read<std::uint64_t>(0)};
    }
    bool called(const target::ThreadState& before, const target::ThreadState& now) const {
        if (process_.machine() == Machine::arm64)
            return is_call_arm64(*ByteView(process_.peek(before.ip, 4)).read<std::uint32_t>(0));
        if (now.sp + 8 != before.sp || now.ip - before.ip < 8)
            return false;
        const Va back = returns_to(now);
        return back > before.ip && back - before.ip < 8;
    }

    const EmulatedProcess& process_;
    std::vector<Frame> calls_;
    std::optional<target::ThreadState> before_;
};

struct Outcome {
    std::size_t places = 0;
    std::size_t incomplete = 0;
    std::size_t signed_returns = 0; ///< places where x30 has a signature
    std::string first_wrong;
    std::string first_incomplete;
};

bool is_signed(std::uint64_t link, VaRange code) {
    const std::uint64_t address = link & address_bits(Machine::arm64);
    return address != link && code.contains(Va{address});
}

/// Walks at every instruction of calls of all functions that are named "run_…".
Outcome walk_everywhere(const std::string& path, int rounds) {
    std::ifstream stream(path, std::ios::binary);
    const Bytes file(std::istreambuf_iterator<char>(stream), {});
    const auto image = pe::Image::parse(file, pe::Layout::file);
    Outcome outcome;
    if (!image) {
        outcome.first_wrong = path + ": " + image.error().message();
        return outcome;
    }
    EmulatedProcess process(image->machine());
    process.load("tested.dll", file);
    CodeMap map(process);
    EXPECT_TRUE(map.refresh());
    const VaRange image_range{EmulatedProcess::kBase, image->size_of_image()};
    CallsUnderWay truth(process);
    process.watch([&](Va) {
        const target::ThreadState thread = process.thread();
        truth.note(thread);
        const Va begin{thread.sp.value & ~std::uint64_t{7}};
        const Bytes bytes = process.peek(begin, thread.stack.end() - begin);
        const Walk walk = walk_stack(process.machine(), map, thread, {begin, bytes});
        ++outcome.places;
        outcome.signed_returns += process.machine() == Machine::arm64 && is_signed(thread.registers[30], image_range);
        std::vector<Frame> wanted{{thread.ip, thread.sp, Arrival::executing}};
        wanted.insert(wanted.end(), truth.calls().rbegin(), truth.calls().rend());
        const auto text = [&](const std::vector<Frame>& frames) {
            std::string all;
            for (const Frame& frame : frames)
                all += fmt::format(" {}/{:x}", map.describe(frame.ip), frame.sp.value);
            return all;
        };
        bool wrong = walk.complete ? walk.frames.size() != wanted.size() : walk.frames.size() > wanted.size();
        for (std::size_t i = 0; i < walk.frames.size() && !wrong; ++i)
            wrong = walk.frames[i].ip != wanted[i].ip || walk.frames[i].sp != wanted[i].sp;
        if (wrong && outcome.first_wrong.empty())
            outcome.first_wrong = fmt::format("{}: found{}, wanted{}", path, text(walk.frames), text(wanted));
        if (!walk.complete && outcome.incomplete++ == 0)
            outcome.first_incomplete = fmt::format("{}: {}, wanted{}", path, walk.stopped_because, text(wanted));
    });
    std::mt19937_64 random(5);
    const auto exports = pe::exports_of(*image);
    for (int round = 0; round < rounds; ++round)
        for (const pe::Export& function : *exports) {
            if (!function.name.starts_with("run_"))
                continue;
            Bytes buffer(EmulatedProcess::kBuffer);
            for (std::uint8_t& byte : buffer)
                byte = static_cast<std::uint8_t>(random());
            process.begin_call(EmulatedProcess::kBase + function.rva.value, buffer, random() & 0xff, random() & 0xf);
            truth.begin(process.thread());
            process.run();
            const test::Call call = process.end_call();
            if (!call.error.empty() && outcome.first_wrong.empty())
                outcome.first_wrong = path + ": " + function.name + ": " + call.error;
        }
    return outcome;
}

class WalkOfCompiledCode : public testing::TestWithParam<std::string> {};

TEST_P(WalkOfCompiledCode, FindsTheCallsThatAreUnderWayAtEveryInstruction) {
    const Outcome outcome = walk_everywhere(GetParam() + ".dll", 4);
    EXPECT_EQ(outcome.first_wrong, "");
    // On x64 nothing but its instructions tells an epilogue: a jump within a function may look like a tail call.
    const bool arm64 = GetParam().find("-arm64-") != std::string::npos;
    const std::size_t allowed = arm64 ? 0 : outcome.places / 20;
    EXPECT_LE(outcome.incomplete, allowed) << outcome.first_incomplete;
    EXPECT_GT(outcome.places, 300u);
    EXPECT_EQ(outcome.signed_returns != 0,
              GetParam().find("signed") != std::string::npos || GetParam().find("codes") != std::string::npos);
}

std::vector<std::string> images() {
    constexpr std::string_view kOptimisations[] = {"O0", "O1", "O2", "Os"};
    std::vector<std::string> paths;
    const auto add_walked = [&](std::string_view stem, std::string_view machine) {
        for (const std::string_view optimisation : kOptimisations)
            paths.push_back(fmt::format("{}/{}-{}-{}", SUTURE_WALKED, stem, machine, optimisation));
    };
    for (const char* machine : {"arm64", "x64"}) {
        for (const char* source : {"callbacks", "calls", "checksums", "floats", "globals", "parser", "records",
                                   "strings", "switches", "wide"})
            for (const std::string_view optimisation : kOptimisations)
                paths.push_back(
                    fmt::format("{0}/{1}-{2}-{3}/updated/{1}", SUTURE_EXECUTION_PAIRS, source, machine, optimisation));
        add_walked("frames", machine);
        add_walked("frames_pointer", machine);
    }
    add_walked("frames_signed", "arm64");
    paths.push_back(std::string(SUTURE_WALKED) + "/frames_codes-arm64-O2");
    return paths;
}

/// "frames_arm64_O2"
std::string text_of(const testing::TestParamInfo<std::string>& info) {
    const std::size_t machine =
        info.param.find("-arm64-") != std::string::npos ? info.param.find("-arm64-") : info.param.find("-x64-");
    std::string name = info.param.substr(info.param.rfind('/', machine) + 1);
    name.resize(std::min(name.find('/'), name.size()));
    std::ranges::replace(name, '-', '_');
    return name;
}

INSTANTIATE_TEST_SUITE_P(Images, WalkOfCompiledCode, testing::ValuesIn(images()), text_of);

} // namespace
} // namespace suture::patch
