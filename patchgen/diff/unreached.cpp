#include "patchgen/diff/unreached.hpp"

#include "engine/core/hash.hpp"
#include "patchgen/program/machine_code.hpp"
#include "patchgen/program/parallel.hpp"
#include "patchgen/program/rva_index.hpp"
#include "patchgen/program/x64/decode.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace suture::diff {

namespace {

/// Longest fill behind something that is looked for, in bytes: linkers align code to at most 64.
constexpr std::size_t kMaxFill = 64;

struct Piece {
    Digest digest;
    Rva at;

    auto operator<=>(const Piece&) const = default;
};

/// Bytes of fill that `bytes` begin with: zeros too, which linkers put between sections.
std::uint32_t fill_at(Machine machine, ByteView bytes) {
    if (machine != Machine::arm64)
        return !bytes.empty() && bytes[0] == 0 ? 1 : program::x64::fill_at(bytes);
    const auto word = bytes.read<std::uint32_t>(0);
    const bool is_break = word && (*word & 0xffe0001f) == 0xd4200000;
    return word && (*word == 0 || *word == 0xd503201f || is_break) ? 4 : 0;
}

bool is_fill(Machine machine, ByteView bytes) {
    for (std::size_t i = 0; i < bytes.size();) {
        const std::uint32_t length = fill_at(machine, *bytes.from(i));
        if (length == 0)
            return false;
        i += length;
    }
    return true;
}

/// Everything that is compared because something refers to it, ascending.
std::vector<Rva> targets_of(const program::Program& program) {
    std::vector<Rva> targets;
    for (const program::Function& function : program.functions()) {
        for (const program::Reference& reference : function.references)
            targets.push_back(reference.target);
        for (const program::JumpTable& table : function.jump_tables)
            targets.push_back(table.at);
    }
    for (const pe::Relocation& field : program.relocations())
        if (const auto target = program.pointer_at(field.at))
            targets.push_back(*target);
    for (const pe::Export& one : program.exports())
        targets.push_back(one.rva);
    for (const pe::ImportSlot& import : program.imports())
        targets.push_back(import.slot);
    program::sort_unique(targets);
    return targets;
}

/// What a reference of unreached code leads to, as the baseline has it: the same for both images where it is the same.
using Meaning = std::function<std::uint64_t(Rva)>;

class Collector {
  public:
    Collector(const match::Places& places, Meaning meaning)
        : places_(places), program_(places.program()), machine_(program_.image().machine()),
          meaning_(std::move(meaning)) {}

    std::vector<Piece> run() {
        for (const program::Function& function : program_.functions())
            known_.push_back(function.range);
        // Three lists that ascend.
        const auto functions_end = static_cast<std::ptrdiff_t>(known_.size());
        const std::vector<Rva> targets = targets_of(program_);
        for (const program::DataObject& object : program_.data()) {
            // What code has a label, and nothing refers to, is nobody else's to compare.
            const auto target = std::ranges::lower_bound(targets, object.range.begin);
            if (target != targets.end() && object.range.contains(*target))
                known_.push_back(object.range);
        }
        const auto data_end = static_cast<std::ptrdiff_t>(known_.size());
        for (const match::Metadata& one : places_.metadata())
            known_.push_back(one.range);
        std::inplace_merge(known_.begin(), known_.begin() + functions_end, known_.begin() + data_end);
        std::inplace_merge(known_.begin(), known_.begin() + data_end, known_.end());
        for (const pe::Section& section : program_.image().sections())
            if (section.executable())
                gaps_of({section.range.begin, section.initialised_size()});
        std::ranges::sort(pieces_);
        return std::move(pieces_);
    }

  private:
    void gaps_of(RvaRange section) {
        std::uint64_t at = section.begin.value;
        auto next = std::ranges::lower_bound(known_, section.begin, {}, &RvaRange::begin);
        for (; next != known_.end() && next->begin.value < section.end(); ++next) {
            gap(at, next->begin.value);
            at = std::max(at, next->end());
        }
        gap(at, section.end());
    }

    /// Cuts a gap into what ends as functions do, and one rest that is not understood.
    void gap(std::uint64_t begin, std::uint64_t end) {
        while (begin < end) {
            const Rva at{static_cast<std::uint32_t>(begin)};
            const auto view = program_.image().bytes_at(at, end - begin);
            if (!view)
                return;
            // Pointers count by what they lead to; their bytes are no code.
            const auto fields = places_.relocations_in({at, static_cast<std::uint32_t>(end - begin)});
            if (!fields.empty() && fields.front().at == at) {
                const auto to = program_.pointer_at(at);
                piece(at, {}, {{.target = to.value_or(Rva{})}});
                begin += fields.front().size;
                continue;
            }
            const std::uint64_t stop = fields.empty() ? end : fields.front().at.value;
            const ByteView before = *view->slice(0, stop - begin);
            if (const std::uint32_t fill = fill_at(machine_, before); fill != 0) {
                begin += fill;
                continue;
            }
            const auto code = program::machine_code(machine_).decode({.begin = at,
                                                                      .bytes = before,
                                                                      .end = program::End::flow,
                                                                      .image_base = program_.image().image_base(),
                                                                      .image_size = program_.image().size_of_image(),
                                                                      .relocations = program_.relocations()});
            const bool good = code.undecoded.empty() && code.ends_in_terminator && code.size != 0;
            const std::size_t size = good ? code.size : without_fill_behind(before);
            piece(at, before.slice(0, size)->copy(), good ? code.references : std::vector<program::Reference>{});
            begin = good ? begin + size : stop;
        }
    }

    std::size_t without_fill_behind(ByteView bytes) const {
        for (std::size_t rest = std::min(kMaxFill, bytes.size()); rest > 0; --rest)
            if (is_fill(machine_, *bytes.from(bytes.size() - rest)))
                return bytes.size() - rest;
        return bytes.size();
    }

    void piece(Rva at, Bytes bytes, const std::vector<program::Reference>& references) {
        const std::size_t size = bytes.size();
        for (const program::Reference& reference : references) {
            const std::uint32_t mask = program::immediate_mask(reference.kind);
            for (std::uint32_t i = 0; i < reference.size && reference.offset + std::size_t{i} < size; ++i)
                bytes[reference.offset + i] &= static_cast<std::uint8_t>(~(mask >> 8 * (i % 4)));
            const bool inside = reference.target >= at && reference.target - at < size;
            const std::uint64_t means = inside ? reference.target - at : meaning_(reference.target);
            for (unsigned shift = 0; shift < 64; shift += 8)
                bytes.push_back(static_cast<std::uint8_t>(means >> shift));
        }
        pieces_.push_back({digest_of(bytes), at});
    }

    const match::Places& places_;
    const program::Program& program_;
    Machine machine_;
    Meaning meaning_;
    std::vector<RvaRange> known_;
    std::vector<Piece> pieces_;
};

/// The first piece of `a` that `b` does not have as often.
std::optional<Rva> first_missing(const std::vector<Piece>& a, const std::vector<Piece>& b) {
    std::optional<Rva> found;
    auto other = b.begin();
    for (const Piece& piece : a) {
        while (other != b.end() && other->digest < piece.digest)
            ++other;
        if (other != b.end() && other->digest == piece.digest)
            ++other;
        else if (!found || piece.at < *found)
            found = piece.at;
    }
    return found;
}

} // namespace

std::optional<Rva> different_unreached(const Pairing& pairing) {
    const auto meaning = [](const match::Place& place, std::uint32_t index) {
        return std::uint64_t{index} << 32 | std::uint64_t{static_cast<std::uint8_t>(place.kind)} << 28 |
               (place.kind == match::PlaceKind::function ? place.offset & 0xfffffff : 0);
    };
    const auto import_of = [](const pe::ImportSlot& slot) {
        const std::string text = fmt::format("{}!{}#{}", slot.dll, slot.name, slot.ordinal);
        return *ByteView(digest_of(ByteView(reinterpret_cast<const std::uint8_t*>(text.data()), text.size())).bytes)
                    .read<std::uint32_t>(0);
    };
    const auto old_meaning = [&](Rva at) {
        const match::Place place = pairing.baseline.at(at);
        if (place.kind == match::PlaceKind::import)
            return meaning(place, import_of(pairing.baseline.program().imports()[place.index]));
        if (place.kind == match::PlaceKind::data)
            return meaning(place, at.value);
        return meaning(place, place.kind == match::PlaceKind::function ? place.index : 0);
    };
    const auto new_meaning = [&](Rva at) {
        const match::Place place = pairing.updated.at(at);
        if (place.kind == match::PlaceKind::import)
            return meaning(place, import_of(pairing.updated.program().imports()[place.index]));
        if (place.kind == match::PlaceKind::data) {
            const Counterpart& old = pairing.data.counterpart(place.index);
            return meaning(place, old.kind == Counterpart::Kind::paired ? (old.baseline + place.offset).value : ~0u);
        }
        if (place.kind != match::PlaceKind::function)
            return meaning(place, 0);
        const auto& partners = pairing.functions.to_baseline[place.index];
        return meaning(place, partners.empty() ? ~0u : partners.front());
    };
    std::vector<Piece> before, after;
    program::at_once([&] { before = Collector(pairing.baseline, old_meaning).run(); },
                     [&] { after = Collector(pairing.updated, new_meaning).run(); });
    const auto come = first_missing(after, before);
    // What is no longer understood as the function that it was is among what came.
    const bool gone = first_missing(before, after) ||
                      std::ranges::any_of(pairing.functions.to_updated, [](const auto& one) { return one.empty(); });
    return come && gone ? come : std::nullopt;
}

} // namespace suture::diff
