#include "patchgen/program/flow_end.hpp"

#include "patchgen/program/machine_code.hpp"

#include <algorithm>
#include <map>

namespace suture::program {

namespace {

/// Rounds of decoding; each one knows the cases that the one before found.
constexpr int kMaxRounds = 16;
/// Most entries that are read of a table whose number of entries is not known.
constexpr std::uint32_t kMaxEntries = 1024;

class FlowEnd {
  public:
    FlowEnd(const pe::Image& image, const Stretch& stretch)
        : image_(image), machine_(machine_code(image.machine())), stretch_(stretch) {}

    DecodedCode run() {
        auto code = machine_.decode(stretch_);
        for (int round = 0; round < kMaxRounds && code.undecoded.empty() && code.jumps_by_register; ++round) {
            const std::uint32_t reaches = furthest_case(code);
            if (reaches < code.size)
                break;
            Stretch further = stretch_;
            further.reaches = reaches;
            auto more = machine_.decode(further);
            const std::uint32_t wall = machine_.first_wall(further, more.instructions);
            if (wall <= reaches) { // entries behind the last were read: only those in front of the fill are meant
                limit_ = wall;
                further.reaches = furthest_case(code);
                if (further.reaches < code.size)
                    break;
                more = machine_.decode(further);
            }
            if (!more.undecoded.empty())
                break;
            code = std::move(more);
        }
        return code;
    }

  private:
    std::uint32_t furthest_case(const DecodedCode& code) {
        cases_.clear();
        const FlowHints hints{[this](const Switch& s) { return cases_of(s); }, [](Rva) { return false; }};
        machine_.follower(stretch_, code.instructions)->follow(hints, Reach::known_ways);
        std::uint32_t furthest = 0;
        for (const auto& [s, cases] : cases_)
            for (const std::uint32_t at : cases)
                furthest = std::max(furthest, at);
        return furthest;
    }

    /// Without a comparison that says how many, the entries end with the first one that leads out of the stretch.
    std::span<const std::uint32_t> cases_of(const Switch& s) {
        const auto [found, fresh] = cases_.try_emplace(s);
        const std::uint32_t most = std::min(s.count.value_or(kMaxEntries), kMaxEntries);
        for (std::uint32_t i = 0; fresh && i < most; ++i) {
            const auto target = target_of_entry(image_, s, i);
            const std::uint32_t inside = target ? *target - stretch_.begin : ~0u;
            if (inside >= std::min<std::size_t>(stretch_.bytes.size(), limit_))
                break;
            found->second.push_back(inside);
        }
        return found->second;
    }

    const pe::Image& image_;
    const MachineCode& machine_;
    const Stretch stretch_;
    std::map<Switch, std::vector<std::uint32_t>> cases_;
    std::uint32_t limit_ = ~0u;
};

} // namespace

DecodedCode decode_to_flow_end(const pe::Image& image, Stretch stretch) {
    return FlowEnd(image, stretch).run();
}

} // namespace suture::program
