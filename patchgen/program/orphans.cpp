#include "patchgen/program/orphans.hpp"

#include "patchgen/program/flow_end.hpp"
#include "patchgen/program/machine_code.hpp"

#include <algorithm>

namespace suture::program {

namespace {

/// Most passes until what is left leads nowhere that is not understood. Compilers' code needs a few.
constexpr int kMaxPasses = 64;

class Finder {
  public:
    Finder(const pe::Image& image, std::span<const pe::Relocation> relocations, std::optional<Rva> guard_check)
        : image_(image), machine_(machine_code(image.machine())), relocations_(relocations), guard_check_(guard_check) {
    }

    Orphans run(std::span<const Rva> pointers, const CodeMap& map) {
        find_gaps(map);
        if (!gaps_.empty())
            leave_out_what_is_referred_to(pointers, map);
        for (const RvaRange& gap : gaps_)
            if (gap.size != 0)
                decode_gap(gap);
        // Each pass may leave out one more of a chain that somebody made up: then none is taken.
        for (int passes = 0; leave_out_what_leads_nowhere(map); ++passes)
            if (passes == kMaxPasses)
                return {};
        return std::move(found_);
    }

  private:
    void find_gaps(const CodeMap& map) {
        std::vector<RvaRange> tables;
        for (const auto& list : map.tables)
            for (const JumpTable& table : list)
                tables.push_back(table.range());
        std::ranges::sort(tables);
        auto table = tables.begin();
        std::size_t function = 0;
        for (const pe::Section& section : image_.sections()) {
            if (!section.executable())
                continue;
            std::uint64_t at = section.range.begin.value;
            const std::uint64_t end = at + section.initialised_size();
            // What is not understood may go on behind its end, and behind parts of it that branches led to.
            bool closed = true;
            const auto pass = [&](RvaRange known, bool understood) {
                if (closed)
                    add_gap(at, std::min<std::uint64_t>(known.begin.value, end));
                at = std::max(at, known.end());
                closed = understood;
            };
            while (at < end) {
                while (function < map.starts.size() && map.range_of(function).end() <= at)
                    ++function;
                while (table != tables.end() && table->end() <= at)
                    ++table;
                const bool more_code = function < map.starts.size() && map.starts[function].begin.value < end;
                const bool more_tables = table != tables.end() && table->begin.value < end;
                if (!more_code && !more_tables)
                    break;
                if (more_code && (!more_tables || map.starts[function].begin <= table->begin))
                    pass(map.range_of(function), map.codes[function].undecoded.empty() &&
                                                     (closed || map.starts[function].source != Source::call_target));
                else
                    pass(*table, closed);
            }
            if (closed)
                add_gap(at, end);
        }
    }

    void add_gap(std::uint64_t begin, std::uint64_t end) {
        if (begin >= end)
            return;
        const RvaRange gap{Rva{static_cast<std::uint32_t>(begin)}, static_cast<std::uint32_t>(end - begin)};
        const auto bytes = image_.bytes_at(gap.begin, gap.size);
        const auto field = std::ranges::lower_bound(relocations_, gap.begin, {}, &pe::Relocation::at);
        const bool relocated = field != relocations_.end() && gap.contains(field->at);
        if (bytes && !relocated && !machine_.is_fill(*bytes))
            gaps_.push_back(gap);
    }

    void leave_out_what_is_referred_to(std::span<const Rva> pointers, const CodeMap& map) {
        const RvaIndex index = index_of_begins(gaps_, [](const RvaRange& gap) { return gap.begin; });
        const auto leave_out = [&](Rva target) {
            const std::size_t next = index.up_to(target);
            if (next != 0 && gaps_[next - 1].contains(target))
                gaps_[next - 1].size = 0;
        };
        std::ranges::for_each(pointers, leave_out);
        for (const DecodedCode& code : map.codes)
            for (const Reference& reference : code.references)
                if (has_target(reference.kind))
                    leave_out(reference.target);
    }

    /// Everything or nothing: beside what is no code, what looks like code is none either.
    void decode_gap(RvaRange gap) {
        const ByteView bytes = *image_.bytes_at(gap.begin, gap.size);
        std::size_t used = bytes.size();
        while (used > 0 && bytes[used - 1] == 0)
            --used; // up to the end of the last page of a section, say
        Orphans found;
        bool may_begin = false;
        for (std::uint32_t offset = 0; offset < used;) {
            const ByteView rest = *bytes.from(offset);
            if (const std::uint32_t fill = machine_.fill_at(rest); fill != 0) {
                offset += fill;
                may_begin = true;
                continue;
            }
            const Rva at = gap.begin + offset;
            if (!may_begin && at.value % machine_.function_alignment() != 0)
                return;
            auto code = decode_to_flow_end(image_, {.begin = at,
                                                    .bytes = rest,
                                                    .end = End::flow,
                                                    .image_base = image_.image_base(),
                                                    .image_size = image_.size_of_image(),
                                                    .relocations = relocations_,
                                                    .guard_check = guard_check_});
            if (code.size == 0 || !code.undecoded.empty() || !code.ends_in_terminator)
                return;
            offset += code.size;
            may_begin = false;
            found.starts.push_back({at, code.size, End::exact, Source::gap});
            found.codes.push_back(std::move(code));
        }
        std::ranges::move(found.starts, std::back_inserter(found_.starts));
        std::ranges::move(found.codes, std::back_inserter(found_.codes));
    }

    /// Code that refers to what is in code and is not understood is not understood itself. True if there was some.
    bool leave_out_what_leads_nowhere(const CodeMap& map) {
        const auto is_known = [&](Rva target) {
            if (code_end(image_, target) <= target.value || map.index_at(target))
                return true;
            const auto next = std::ranges::upper_bound(found_.starts, target, {}, &Start::begin);
            return next != found_.starts.begin() && target - std::prev(next)->begin < std::prev(next)->limit;
        };
        Orphans kept;
        for (std::size_t i = 0; i < found_.starts.size(); ++i) {
            const bool known = std::ranges::all_of(found_.codes[i].references, [&](const Reference& reference) {
                return !has_target(reference.kind) || is_known(reference.target);
            });
            if (!known)
                continue;
            kept.starts.push_back(found_.starts[i]);
            kept.codes.push_back(std::move(found_.codes[i]));
        }
        const bool fewer = kept.starts.size() < found_.starts.size();
        found_ = std::move(kept);
        return fewer;
    }

    const pe::Image& image_;
    const MachineCode& machine_;
    std::span<const pe::Relocation> relocations_;
    std::optional<Rva> guard_check_;
    std::vector<RvaRange> gaps_; ///< that hold more than fill, ascending; of no size where left out
    Orphans found_;
};

} // namespace

Orphans find_orphans(const pe::Image& image, std::span<const pe::Relocation> relocations,
                     std::optional<Rva> guard_check, std::span<const Rva> pointers, const CodeMap& map) {
    return Finder(image, relocations, guard_check).run(pointers, map);
}

} // namespace suture::program
