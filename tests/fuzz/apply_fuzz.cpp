// Applies hotpatches that nobody meant to a made-up process: package files with any bytes in them, and packages of odd
// contents whose digests hold. A refusal leaves every page as it was; what is applied is in force, intact, can be
// rolled back and applied again, and is removed without a trace.
//
// Input: a byte of flags, one of where a thread stands, one of the call of the target that fails (0: none), then a
// package file, or (kContents) how the contents are changed.
#include "engine/patch/status.hpp"
#include "engine/patch/transaction.hpp"
#include "tests/engine/package/sample_contents.hpp"
#include "tests/engine/patch/patched_world.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/fuzz/package_edits.hpp"

namespace suture::patch {
namespace {

using fuzz::Input;
using fuzz::require;
using Pages = std::map<Va, suture::test::FakeTarget::Page>;

enum Flags : std::uint8_t {
    kContents = 1,
    kEarlier = 2, ///< an earlier package is in force
    kMixed = 4,   ///< calls may mix versions
    kAsItIs = 8,  ///< digest and checksum of a file are left alone
};
/// What is larger takes long here, and is no different.
constexpr std::uint32_t kLargestImage = 1 << 20;
constexpr std::chrono::milliseconds kPatience{5};
constexpr std::uint32_t kEarlierSequence = 1;
constexpr std::uint32_t kSequence = 2;
constexpr int kMostHops = 4;

class World : public test::PatchedWorld {
  public:
    void TestBody() override {}

    void run(Input input) {
        const auto flags = input.number<std::uint8_t>();
        const auto stand = input.number<std::uint8_t>();
        const auto failing = input.number<std::uint8_t>();
        pristine_ = target_.pages();
        if ((flags & kEarlier) != 0)
            require(apply_sequence(kEarlierSequence).has_value());
        const Bytes file = file_of(input, flags);
        const auto package = package::Package::parse(file);
        if (!package || package->image().size_of_image() > kLargestImage)
            return;
        if (stand != 0)
            target_.threads = [=](unsigned) {
                target::ThreadState thread;
                thread.id = 77;
                thread.ip = kBase + 0x1000 + stand;
                return std::vector{thread};
            };
        options_.timeout = kPatience;
        options_.consistency = (flags & kMixed) != 0 ? Consistency::none : Consistency::quiescent;
        apply_once(*package, (flags & kEarlier) != 0 ? kEarlierSequence : 0, failing);
    }

  private:
    Bytes file_of(Input& input, std::uint8_t flags) {
        if ((flags & kContents) != 0) {
            package::Contents edited = contents(kSequence);
            fuzz::edit(edited, input, app_.file());
            return package::write_package(edited).value_or(Bytes{});
        }
        Bytes file = input.rest().copy();
        if ((flags & kAsItIs) == 0)
            package::test::reseal(file);
        return file;
    }

    void apply_once(const package::Package& package, std::uint32_t earlier, unsigned failing) {
        const Pages before = target_.pages();
        const unsigned first = target_.calls();
        bool failed = false;
        target_.before_call = [&](unsigned call, std::string_view) {
            failed = failed || (failing != 0 && call == first + failing);
            return call == first + failing && failing != 0 ? std::optional(Error(Code::target_map_failed, "it fails"))
                                                           : std::nullopt;
        };
        const auto report = apply(target_, {&package, 1}, options_);
        target_.before_call = [](unsigned, std::string_view) { return std::nullopt; };
        target_.threads = [](unsigned) { return std::vector<target::ThreadState>{}; };
        require(target_.staged().empty() && !target_.stopped());
        if (report) {
            check_in_force(package);
            check_return(package, earlier);
        } else {
            require(!report.error().message().empty());
            // What fails after the commit is in force; what fails to be undone is told as such, and can be recovered.
            const bool cut_off = report.error().code() == Code::needs_recover;
            if (failed && cut_off)
                require(recover(target_, options_).has_value());
            require(target_.pages() == before || (failed && active() == package.manifest().sequence) ||
                    (failed && cut_off && earlier != 0 && active() == earlier));
        }
    }

    /// The sequence in force in an intact module.
    std::optional<std::uint32_t> active() {
        const auto modules = status(target_);
        if (!modules || modules->size() != 1 || modules->front().phase != Phase::live ||
            !modules->front().findings.empty())
            return std::nullopt;
        return modules->front().active;
    }

    bool leads_to(Rva function, Va wanted) {
        Va at = kBase + function.value;
        for (int hop = 0; hop < kMostHops && at != wanted; ++hop) {
            const auto jump = isa::isa_for(Machine::x64)->jump_at(target_.peek(at, 6), at);
            if (!jump)
                return false;
            at = jump->indirect ? Va{*ByteView(target_.peek(jump->to, 8)).read<std::uint64_t>(0)} : jump->to;
        }
        return at == wanted;
    }

    void check_in_force(const package::Package& package) {
        const std::uint32_t sequence = package.manifest().sequence;
        require(active() == sequence);
        const auto ledger = ledger_of(target_, "app.dll");
        require(ledger.has_value());
        const LedgerVersion& version = *ledger->version(sequence);
        for (const package::Replacement& function : package.manifest().functions)
            require(leads_to(function.baseline, version.image.begin + function.patch.value));
        const auto regions = target_.regions();
        for (const target::Region& region : *regions)
            require(!region.writable || !region.executable);
    }

    /// Back to what was in force before, to the package again, and to a process that nobody has touched.
    void check_return(const package::Package& package, std::uint32_t earlier) {
        require(rollback(target_, "app.dll", earlier, options_).has_value());
        require(active() == earlier);
        require(apply(target_, {&package, 1}, options_).has_value());
        check_in_force(package);
        require(remove(target_, "app.dll", options_).has_value());
        require(target_.pages() == pristine_);
    }

    Pages pristine_;
    Options options_;
};

} // namespace
} // namespace suture::patch

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    suture::patch::World().run(suture::fuzz::Input({data, size}));
    return 0;
}
