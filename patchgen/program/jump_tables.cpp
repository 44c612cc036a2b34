#include "patchgen/program/code.hpp"
#include "patchgen/program/machine_code.hpp"
#include "patchgen/program/parallel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace suture::program {

namespace {

/// Rounds of decoding and following a function; each one knows the tables that the one before found.
constexpr int kMaxRounds = 16;
/// Most entries of a table. The largest known (interpreters) have some thousand.
constexpr std::uint32_t kMaxEntries = 65536;

struct Surroundings {
    const pe::Image& image;
    std::span<const pe::Relocation> relocations;
    std::optional<Rva> guard_check;
    std::span<const Rva> landmarks;
    const std::function<bool(std::size_t, std::size_t)>& related;
    const CodeMap& map;
};

/// What came out for one function.
struct Outcome {
    DecodedCode code;
    std::vector<JumpTable> tables;
};

class TableReader {
  public:
    TableReader(const Surroundings& around, std::size_t index)
        : around_(around), machine_(machine_code(around.image.machine())), index_(index),
          code_(around.map.codes[index]),
          hints_{[this](const Switch& s) { return jumps_of(s); },
                 [this](Rva at) { return target_of({.table = at, .base = at, .count = {}}, 0).has_value(); }} {
        const auto& start = around.map.starts[index];
        const auto bytes = around.image.bytes_at(start.begin, code_.size);
        stretch_ = {.begin = start.begin,
                    .bytes = bytes.value_or(ByteView()),
                    .image_base = around.image.image_base(),
                    .image_size = around.image.size_of_image(),
                    .relocations = around.relocations,
                    .guard_check = around.guard_check};
    }

    Outcome run() {
        if (!code_.undecoded.empty() && !find_tables_between_code(true) && !find_tables_between_code(false))
            return {std::move(code_), {}};
        for (int round = 0; round < kMaxRounds; ++round) {
            const auto follower = machine_.follower(stretch_, code_.instructions);
            jumps_.clear();
            flow_ = follower->follow(hints_, Reach::known_ways);
            if (!read_tables()) {
                prove(*follower);
                return {std::move(code_), std::move(list_)};
            }
            // Tables in the code itself: what lies behind them was not decoded as what it is.
            stretch_.data = data_;
            code_ = machine_.decode(stretch_);
        }
        if (code_.undecoded.empty())
            code_.undecoded = "its jump tables are not understood";
        return {std::move(code_), {}};
    }

  private:
    /// Hand-written code has tables in front of what uses them, where decoding in a line stops at them. Follows
    /// branches instead, and switches to wherever they lead, and decodes again with the tables known. False if that is
    /// no better.
    bool find_tables_between_code(bool past_calls) {
        const DecodedCode in_line = code_;
        data_.clear();
        std::vector<std::uint32_t> entries{0};
        reached_only_ = true;
        std::size_t known = 0;
        for (int round = 0; round < kMaxRounds && known != entries.size(); ++round) {
            known = entries.size();
            code_ = machine_.decode_reached(stretch_, entries, past_calls);
            jumps_.clear();
            flow_ = machine_.follower(stretch_, code_.instructions)->follow(hints_, Reach::known_ways);
            for (const auto& [s, jumps] : jumps_)
                entries.insert(entries.end(), jumps.begin(), jumps.end());
            std::ranges::sort(entries);
            entries.erase(std::unique(entries.begin(), entries.end()), entries.end());
        }
        read_tables();
        reached_only_ = false;
        stretch_.data = data_;
        code_ = data_.empty() ? in_line : machine_.decode(stretch_);
        if (code_.undecoded.empty())
            return true;
        code_ = in_line;
        stretch_.data = {};
        return false;
    }

    /// As many entries as lead somewhere sensible before the next thing begins, and at least as many as are compared
    /// for: a comparison that belongs to something else must not cut a table short.
    std::vector<Rva> targets_of(const Switch& s) const {
        std::vector<Rva> targets;
        const std::uint32_t compared = std::min(s.count.value_or(0), kMaxEntries);
        const std::uint32_t most = s.count_is_proved ? compared : std::max(room_at(s), compared);
        for (std::uint32_t i = 0; i < most; ++i) {
            const auto target = target_of(s, i);
            if (!target)
                break;
            targets.push_back(*target);
        }
        return targets;
    }

    /// Where a switch leads inside the function.
    std::span<const std::uint32_t> jumps_of(const Switch& s) {
        const auto [found, fresh] = jumps_.try_emplace(s);
        if (fresh)
            for (const Rva to : targets_of(s))
                if (to >= stretch_.begin && to - stretch_.begin < code_.size)
                    found->second.push_back(to - stretch_.begin);
        return found->second;
    }

    /// Where entry `i` leads, if that is an instruction of the function or of a part of it.
    std::optional<Rva> target_of(const Switch& s, std::uint32_t i) const {
        const auto leads = target_of_entry(around_.image, s, i);
        if (!leads)
            return std::nullopt;
        const Rva at = s.table + s.entry_size * i;
        const Rva target = *leads;
        if (reached_only_) {
            const auto in_function = [&](Rva rva) {
                return rva >= stretch_.begin && rva - stretch_.begin < code_.size;
            };
            const bool in_code = in_function(at) && std::ranges::binary_search(code_.instructions, at - stretch_.begin);
            return in_function(target) && !in_code ? std::optional(target) : std::nullopt;
        }
        if (target >= stretch_.begin && target - stretch_.begin < code_.size) {
            const bool starts = std::ranges::binary_search(code_.instructions, target - stretch_.begin);
            return starts ? std::optional(target) : std::nullopt;
        }
        const auto other = around_.map.index_at(target);
        if (!other || !around_.related(index_, *other))
            return std::nullopt;
        const auto& part = around_.map.codes[*other].instructions;
        const bool starts = std::ranges::binary_search(part, target - around_.map.starts[*other].begin);
        return starts ? std::optional(target) : std::nullopt;
    }

    /// Entries that fit in front of whatever begins next.
    std::uint32_t room_at(const Switch& s) const {
        const Rva table = s.table;
        const auto* section = around_.image.section_at(table);
        if (!section)
            return 0;
        std::uint64_t end = section->range.end();
        const auto next = std::ranges::upper_bound(around_.landmarks, table);
        if (next != around_.landmarks.end())
            end = std::min<std::uint64_t>(end, next->value);
        return static_cast<std::uint32_t>(std::min<std::uint64_t>((end - table.value) / s.entry_size, kMaxEntries));
    }

    /// Reads the tables that the last round found. True if there is something new inside the code.
    bool read_tables() {
        std::vector<Extent> data;
        std::map<Rva, JumpTable> tables;
        problem_.clear();
        for (const auto& s : flow_.switches) {
            JumpTable table{s.table, s.base, targets_of(s), s.entry_size, s.shift, s.is_signed};
            if (table.targets.empty() || (s.count && table.targets.size() < *s.count))
                problem_ =
                    fmt::format("jump table with an entry {} that does not lead to an instruction of the function "
                                "at 0x{:x}",
                                table.targets.size(), s.table.value);
            add_data(table.range(), data);
            auto& known = tables.try_emplace(s.table, table).first->second;
            if (known.targets.size() < table.targets.size())
                known = table;
        }
        add_index_tables(data);
        add_read_bytes(data);
        std::ranges::sort(data);
        disjoin(data);
        const bool changed = data != data_;
        data_ = std::move(data);
        list_.clear();
        for (auto& [at, table] : tables)
            list_.push_back(std::move(table));
        return changed;
    }

    void add_data(RvaRange range, std::vector<Extent>& data) const {
        if (range.size != 0 && range.begin >= stretch_.begin &&
            range.end() <= stretch_.begin.value + std::uint64_t{code_.size})
            data.push_back(
                {range.begin - stretch_.begin, static_cast<std::uint32_t>(range.end() - stretch_.begin.value)});
    }

    /// MSVC's tables of bytes that index a table of jumps lie behind it.
    void add_index_tables(std::vector<Extent>& data) const {
        const std::size_t tables = data.size();
        for (const auto& reference : flow_.references) {
            if (reference.use != Use::read || reference.target < stretch_.begin)
                continue;
            const std::uint32_t at = reference.target - stretch_.begin;
            const bool is_table = std::any_of(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(tables),
                                              [&](const Extent& extent) { return extent.begin == at; });
            if (at < code_.size && !is_table)
                data.push_back({at, code_.size});
        }
    }

    /// Other data of the function among its code, as constants.
    void add_read_bytes(std::vector<Extent>& data) const {
        const std::size_t tables = data.size();
        for (const Extent& read : flow_.data) {
            const bool in_table =
                std::any_of(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(tables),
                            [&](const Extent& table) { return read.begin >= table.begin && read.begin < table.end; });
            if (!in_table)
                data.push_back(read);
        }
    }

    /// Each extent ends at the latest where the next one begins.
    static void disjoin(std::vector<Extent>& data) {
        for (std::size_t i = 0; i + 1 < data.size(); ++i)
            data[i].end = std::min(data[i].end, data[i + 1].begin);
        std::erase_if(data, [](const Extent& extent) { return extent.begin >= extent.end; });
    }

    /// The switches were found by the ways that are known; they must hold by all others too.
    void prove(RegisterFollower& follower) {
        auto all = follower.follow(hints_, Reach::everything);
        std::erase_if(code_.references, [&](const Reference& r) { return machine_.is_of_flow(r.kind); });
        code_.references.insert(code_.references.end(), all.references.begin(), all.references.end());
        std::ranges::sort(code_.references);
        code_.page_uses = std::move(all.page_uses);
        code_.address_tables = std::move(all.address_tables);
        for (const std::string& reason : {all.undecoded, flow_.undecoded, problem_})
            if (code_.undecoded.empty())
                code_.undecoded = reason;
        if (code_.undecoded.empty() && all.switches != flow_.switches)
            code_.undecoded = "its jump tables are not understood";
    }

    const Surroundings& around_;
    const MachineCode& machine_;
    const std::size_t index_;
    DecodedCode code_;
    const FlowHints hints_;
    Stretch stretch_;
    RegisterFlow flow_;
    std::map<Switch, std::vector<std::uint32_t>> jumps_;
    std::vector<Extent> data_;
    std::vector<JumpTable> list_;
    std::string problem_;
    bool reached_only_ = false; ///< code_ is only what is reached: entries may lead where nothing is decoded yet
};

/// Some compilers put a function's tables behind its last funclet, whose unwind entry covers them: such code ends in
/// front of them.
void end_at_tables_of_others(const Surroundings& around, std::span<const std::size_t> indices, CodeMap& map) {
    std::vector<Rva> tables;
    for (const auto& list : map.tables)
        for (const auto& table : list)
            tables.push_back(table.at);
    std::ranges::sort(tables);
    for (const std::size_t i : indices) {
        const Rva begin = map.starts[i].begin;
        const auto table = std::ranges::upper_bound(tables, begin);
        if (map.codes[i].undecoded.empty() || table == tables.end() || *table - begin > map.codes[i].stopped_at)
            continue;
        const auto bytes = around.image.bytes_at(begin, *table - begin);
        auto code = bytes ? machine_code(around.image.machine())
                                .decode({.begin = begin,
                                         .bytes = *bytes,
                                         .end = End::trimmed,
                                         .image_base = around.image.image_base(),
                                         .image_size = around.image.size_of_image(),
                                         .relocations = around.relocations,
                                         .guard_check = around.guard_check})
                          : DecodedCode();
        if (!bytes || !code.undecoded.empty() || !code.ends_in_terminator)
            continue;
        map.codes[i] = std::move(code);
        auto outcome = TableReader(around, i).run();
        map.codes[i] = std::move(outcome.code);
        map.tables[i] = std::move(outcome.tables);
    }
}

/// In functions whose registers nothing else has asked for.
void find_address_tables(const Surroundings& around, std::span<const std::size_t> followed, CodeMap& map) {
    std::vector<std::size_t> wanted;
    for (std::size_t i = 0; i < map.codes.size(); ++i)
        if (map.codes[i].loads_entries && !std::ranges::binary_search(followed, i))
            wanted.push_back(i);
    const auto& machine = machine_code(around.image.machine());
    const FlowHints no_switches{[](const Switch&) { return std::span<const std::uint32_t>(); },
                                [](Rva) { return false; }};
    for_each_index(wanted.size(), [&](std::size_t i) {
        auto& code = map.codes[wanted[i]];
        const Rva begin = map.starts[wanted[i]].begin;
        const auto bytes = around.image.bytes_at(begin, code.size);
        if (!bytes)
            return;
        const Stretch stretch{.begin = begin,
                              .bytes = *bytes,
                              .image_base = around.image.image_base(),
                              .image_size = around.image.size_of_image(),
                              .relocations = around.relocations,
                              .guard_check = around.guard_check};
        code.address_tables =
            machine.follower(stretch, code.instructions)->follow(no_switches, Reach::known_ways).address_tables;
    });
}

} // namespace

void read_jump_tables(const pe::Image& image, std::span<const pe::Relocation> relocations,
                      std::optional<Rva> guard_check, std::span<const Rva> landmarks,
                      const std::function<bool(std::size_t, std::size_t)>& related,
                      std::span<const std::size_t> indices, CodeMap& map) {
    std::vector<std::size_t> wanted;
    for (const std::size_t i : indices)
        if (map.codes[i].takes_image_base || map.codes[i].jumps_by_register || map.codes[i].reads_itself ||
            !map.codes[i].undecoded.empty())
            wanted.push_back(i);
    std::vector<Outcome> outcomes(wanted.size());
    const Surroundings around{image, relocations, guard_check, landmarks, related, map};
    for_each_index(wanted.size(), [&](std::size_t i) { outcomes[i] = TableReader(around, wanted[i]).run(); });
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        map.codes[wanted[i]] = std::move(outcomes[i].code);
        map.tables[wanted[i]] = std::move(outcomes[i].tables);
    }
    end_at_tables_of_others(around, wanted, map);
    find_address_tables(around, wanted, map);
}

} // namespace suture::program
