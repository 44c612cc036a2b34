// Any bytes as the code of a function, for both machines: decoding in a line and along branches, following registers,
// and reading all code of an image with its jump tables. What comes out must hold together, and be the same each time.
//
// Input: options, the numbers of relocations and of landmarks, 2 bytes for each, the size of the code in 2 bytes, the
// code, and what lies in .rdata.

#include "patchgen/program/code.hpp"
#include "patchgen/program/machine_code.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/support/pe_builder.hpp"

#include <numeric>
#include <tuple>

namespace suture::program {
namespace {

using fuzz::Input;
using fuzz::require;

constexpr std::uint32_t kMaxCode = 0x1000;
constexpr Rva kText{0x1000};
constexpr Rva kRdata{0x3000};

struct Options {
    Machine machine;
    End end;
    bool past_calls;
    bool has_guard;
    bool two_functions;
    std::vector<pe::Relocation> relocations;
    std::vector<Rva> landmarks;
};

auto parts_of(const DecodedCode& code) {
    return std::tie(code.size, code.instructions, code.references, code.page_uses, code.undecoded, code.stopped_at,
                    code.takes_image_base, code.jumps_by_register, code.reads_itself, code.ends_in_terminator,
                    code.runs_on);
}

auto parts_of(const RegisterFlow& flow) {
    return std::tie(flow.switches, flow.references, flow.page_uses, flow.data, flow.undecoded);
}

/// Strictly ascending and below `end`.
bool ascends(const std::vector<std::uint32_t>& offsets, std::uint32_t end) {
    return std::ranges::adjacent_find(offsets, std::ranges::greater_equal{}) == offsets.end() &&
           (offsets.empty() || offsets.back() < end);
}

void check_references(const std::vector<Reference>& references, const std::vector<std::uint32_t>& instructions,
                      std::uint32_t size, std::uint32_t image_size) {
    require(std::ranges::is_sorted(references));
    for (const Reference& reference : references) {
        require(reference.offset + std::uint64_t{reference.size} <= size);
        require(reference.target.value < image_size);
        require(reference.offset >= reference.instruction);
        require(std::ranges::binary_search(instructions, reference.instruction));
        require((reference.use == Use::read || reference.use == Use::write) || reference.access_size == 0);
    }
}

void check_page_uses(const std::vector<PageUse>& uses, const std::vector<Reference>& references) {
    require(std::ranges::is_sorted(uses));
    const auto kind_at = [&](std::uint32_t instruction) {
        const auto found = std::ranges::find(references, instruction, &Reference::instruction);
        return found == references.end() ? ReferenceKind::branch : found->kind;
    };
    for (const PageUse& use : uses) {
        require(kind_at(use.page) == ReferenceKind::arm64_page21);
        const auto kind = kind_at(use.user);
        require(kind == ReferenceKind::arm64_low12_add || kind == ReferenceKind::arm64_low12_load);
    }
    for (const Reference& reference : references)
        if (reference.kind == ReferenceKind::arm64_low12_add || reference.kind == ReferenceKind::arm64_low12_load)
            require(std::ranges::find(uses, reference.instruction, &PageUse::user) != uses.end());
}

void check(const DecodedCode& code, const Stretch& stretch) {
    require(code.size <= stretch.bytes.size());
    require(code.stopped_at <= stretch.bytes.size());
    require(ascends(code.instructions, code.size));
    check_references(code.references, code.instructions, code.size, stretch.image_size);
    if (code.undecoded.empty())
        check_page_uses(code.page_uses, code.references);
}

void decode_stretch(const Options& options, const Stretch& stretch) {
    const MachineCode& machine = machine_code(options.machine);
    const DecodedCode code = machine.decode(stretch);
    require(parts_of(code) == parts_of(machine.decode(stretch)));
    check(code, stretch);

    std::vector<std::uint32_t> entries{0};
    for (const Rva landmark : options.landmarks)
        if (landmark >= stretch.begin && landmark - stretch.begin < stretch.bytes.size())
            entries.push_back(landmark - stretch.begin);
    const DecodedCode reached = machine.decode_reached(stretch, entries, options.past_calls);
    require(parts_of(reached) == parts_of(machine.decode_reached(stretch, entries, options.past_calls)));
    require(reached.size <= stretch.bytes.size() && ascends(reached.instructions, reached.size));
    check_references(reached.references, reached.instructions, reached.size, stretch.image_size);

    Stretch whole = stretch;
    whole.bytes = *stretch.bytes.slice(0, code.size);
    std::vector<std::uint32_t> jumps = entries;
    std::erase_if(jumps, [&](std::uint32_t at) { return at >= code.size; });
    const FlowHints hints{[&](const Switch&) { return std::span<const std::uint32_t>(jumps); },
                          [](Rva at) { return at.value % 8 == 0; }};
    for (const Reach reach : {Reach::known_ways, Reach::everything}) {
        const RegisterFlow flow = machine.follower(whole, code.instructions)->follow(hints, reach);
        require(parts_of(flow) == parts_of(machine.follower(whole, code.instructions)->follow(hints, reach)));
        check_references(flow.references, code.instructions, code.size, stretch.image_size);
        require(std::ranges::is_sorted(flow.switches));
        for (const Reference& reference : flow.references)
            require(machine.is_of_flow(reference.kind));
        for (const Extent& extent : flow.data)
            require(extent.begin < extent.end && extent.end <= code.size);
    }
    (void)machine.first_wall(whole, code.instructions);
    (void)machine.is_fill(stretch.bytes);
    machine.possible_branches(stretch.bytes, 0,
                              [&](std::uint32_t offset, std::int32_t) { require(offset <= stretch.bytes.size()); });
}

CodeMap read_all(const pe::Image& image, const Options& options, std::uint32_t size) {
    std::vector<Start> starts;
    const std::uint32_t half = size / 8 * 4;
    if (options.two_functions && half != 0) {
        starts.push_back({kText, half, options.end, Source::pdata, true});
        starts.push_back({kText + half, size - half, options.end, Source::pdata, false});
    } else {
        starts.push_back({kText, size, options.end, Source::pdata, true});
    }
    const std::optional<Rva> guard = options.has_guard ? std::optional(kRdata) : std::nullopt;
    CodeMap map = read_code(image, options.relocations, guard, std::move(starts), options.landmarks);
    std::vector<std::size_t> all(map.codes.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    read_jump_tables(
        image, options.relocations, guard, options.landmarks, [](std::size_t, std::size_t) { return true; }, all, map);
    return map;
}

void read_image(const Options& options, ByteView text, ByteView rdata) {
    test::PeBuilder builder;
    builder.machine = options.machine;
    builder.section(".text", test::PeBuilder::kCode, text.copy(), 0x2000);
    builder.section(".rdata", test::PeBuilder::kReadOnly, rdata.copy(), 0x1000);
    const Bytes file = builder.file();
    const auto image = pe::Image::parse(file, pe::Layout::file);
    require(image.has_value());

    const auto size = static_cast<std::uint32_t>(text.size());
    const CodeMap map = read_all(*image, options, size);
    const CodeMap again = read_all(*image, options, size);
    require(map.starts.size() == again.starts.size() && map.starts.size() == map.codes.size() &&
            map.starts.size() == map.tables.size() && map.tables == again.tables);
    std::uint64_t end = 0;
    for (std::size_t i = 0; i < map.starts.size(); ++i) {
        const DecodedCode& code = map.codes[i];
        require(parts_of(code) == parts_of(again.codes[i]));
        require(map.starts[i].begin.value >= end);
        end = map.range_of(i).end();
        require(ascends(code.instructions, code.size));
        check_references(code.references, code.instructions, code.size, image->size_of_image());
        if (!code.undecoded.empty())
            continue;
        check_page_uses(code.page_uses, code.references);
        for (const JumpTable& table : map.tables[i])
            for (const Rva target : table.targets) {
                const auto owner = map.index_at(target);
                require(owner &&
                        std::ranges::binary_search(map.codes[*owner].instructions, target - map.starts[*owner].begin));
            }
    }
}

void read(ByteView bytes) {
    Input input(bytes);
    const auto flags = input.number<std::uint8_t>();
    Options options{.machine = flags & 1 ? Machine::arm64 : Machine::x64,
                    .end = static_cast<End>((flags >> 1 & 3) % 3),
                    .past_calls = (flags & 8) != 0,
                    .has_guard = (flags & 16) != 0,
                    .two_functions = (flags & 32) != 0,
                    .relocations = {},
                    .landmarks = {}};
    const auto counts = input.number<std::uint8_t>();
    std::uint32_t end = kText.value;
    for (int i = counts & 15; i > 0; --i) {
        const Rva at{end + input.number<std::uint8_t>()};
        options.relocations.push_back({at, 8});
        end = at.value + 8;
    }
    for (int i = counts >> 4; i > 0; --i)
        options.landmarks.push_back(kText + input.number<std::uint16_t>() % 0x3000);
    std::ranges::sort(options.landmarks);
    const ByteView text = input.take(std::min<std::uint32_t>(input.number<std::uint16_t>(), kMaxCode));
    const ByteView rdata = input.take(0x1000);
    if (text.empty())
        return;
    const Stretch stretch{.begin = kText,
                          .bytes = text,
                          .end = options.end,
                          .image_base = Va{0x180000000},
                          .image_size = 0x4000,
                          .relocations = options.relocations,
                          .guard_check = options.has_guard ? std::optional(kRdata) : std::nullopt};
    decode_stretch(options, stretch);
    read_image(options, text, rdata);
}

} // namespace
} // namespace suture::program

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    suture::program::read({data, size});
    return 0;
}
