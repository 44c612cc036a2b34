// The proof's own reading of Arm64 code: any words as a function and, with some of them changed, as what stands for it.
// What is accepted must differ in words that make addresses only. Each word is also taken apart by both decoders of the
// project, which share no code, and must mean the same to both.
//
// Input: the number of entries, then 2 + 4 bytes each (word, registers that differ); the number of changes, then 1 + 4
// bytes each (word, bits that change); the number of words in 2 bytes, the words, and words behind the function.

#include "patchgen/program/arm64/instruction.hpp"
#include "patchgen/prove/arm64/lockstep.hpp"
#include "patchgen/prove/instruction.hpp"
#include "tests/fuzz/input.hpp"

#include <bit>

namespace suture::prove::arm64 {
namespace {

using fuzz::Input;
using fuzz::require;
using program::arm64::Field;
using program::arm64::Operation;
using Words = std::vector<std::uint32_t>;

constexpr Rva kBegin{0x10000};                   // of the function, in the updated image and in the package
constexpr std::uint64_t kPackageBase = 0x200000; // the baseline is at 0
constexpr std::size_t kMaxWords = 512;

/// Code in the package at kBegin; addresses below kPackageBase are the baseline's.
class FakeCode final : public PatchedCode {
  public:
    explicit FakeCode(Words words) : words_(std::move(words)) {}

    std::optional<std::uint32_t> word(Place place) const override {
        if (!place.in_package || place.rva < kBegin || (place.rva - kBegin) % kWordSize != 0)
            return std::nullopt;
        const std::uint32_t index = (place.rva - kBegin) / kWordSize;
        return index < words_.size() ? std::optional(words_[index]) : std::nullopt;
    }
    std::optional<Place> address(Place place) const override {
        const auto word_there = word(place);
        if (!word_there)
            return std::nullopt;
        const std::uint64_t to = address_of(*word_there, kPackageBase + place.rva.value);
        if (to >= 2 * kPackageBase)
            return std::nullopt;
        if (to >= kPackageBase)
            return Place{true, {static_cast<std::uint32_t>(to - kPackageBase)}};
        return Place{false, {static_cast<std::uint32_t>(to)}};
    }

  private:
    Words words_;
};

struct Subject {
    Words ours;
    Words theirs; ///< with what lies behind the function
    std::map<std::uint32_t, Registers> entries;
};

Result<Comparison> run(const Subject& subject, const Words& theirs) {
    program::Function function;
    function.range = {kBegin, static_cast<std::uint32_t>(subject.ours.size() * kWordSize)};
    const FakeCode patched(theirs);
    const ByteView code(reinterpret_cast<const std::uint8_t*>(subject.ours.data()), function.range.size);
    const auto updated_word = [](Rva) { return std::optional(0xd503201fu); }; // nop
    const auto is_import = [](Rva at) { return at.value % 16 == 0; };
    return compare({function,
                    code,
                    {true, kBegin},
                    patched,
                    updated_word,
                    is_import,
                    [](Rva at, std::optional<Place>) {
                        return Callee{at.value >> 4, at.value % 8 != 0};
                    },
                    Rva{0x4050},
                    [&] { return subject.entries.size() % 2 == 0; },
                    [&](std::uint32_t offset) { return offset < subject.entries.size() * kWordSize; },
                    subject.entries,
                    {},
                    {},
                    {static_cast<std::uint32_t>(subject.entries.size() * 2 * kWordSize)}});
}

void check(const Comparison& comparison, const Subject& subject, const Words& theirs) {
    const auto size = static_cast<std::uint32_t>(subject.ours.size() * kWordSize);
    const auto all = static_cast<std::uint32_t>(theirs.size() * kWordSize);
    for (const Meeting& meeting : comparison.meetings)
        require(RvaRange{kBegin, size}.contains(meeting.at));
    for (const Rva field : comparison.fields)
        require(RvaRange{kBegin, all}.contains(field));
    for (const auto& [at, veneer] : comparison.veneers)
        require(at.value >= kBegin.value + size && at.value + veneer.size <= kBegin.value + all &&
                veneer.instruction < size);
    for (const auto& [offset, bytes] : comparison.literals)
        require(offset + std::uint64_t{bytes} <= size);
    for (std::size_t i = 0; i < subject.ours.size(); ++i) {
        const std::uint32_t word = subject.ours[i];
        const auto offset = static_cast<std::uint32_t>(i * kWordSize);
        const bool literal = std::ranges::any_of(comparison.literals, [&](const auto& one) {
            return offset + kWordSize > one.first && offset < one.first + one.second;
        });
        if (distance_of(word).form == Form::none && !page_user(word) && !literal)
            require(theirs[i] == word);
    }
}

Form form_of(Field field) {
    switch (field) {
    case Field::branch19:
    case Field::branch14:
        return Form::conditional_branch;
    case Field::adr21:
        return Form::adr;
    case Field::page21:
        return Form::adrp;
    case Field::literal19:
        return Form::literal;
    default:
        return Form::none;
    }
}

/// Both decoders of one word.
void check_word(std::uint32_t word) {
    const auto instruction = program::arm64::instruction_of(word);
    if (instruction.operation == Operation::invalid)
        return;
    const Distance distance = distance_of(word);
    if (instruction.field == Field::branch26)
        require(distance.form == (instruction.operation == Operation::call ? Form::call : Form::branch));
    else
        require(distance.form == form_of(instruction.field));
    if (distance.form != Form::none) {
        constexpr std::uint64_t kPc = 0x123456789abc;
        const std::uint64_t from = distance.form == Form::adrp ? kPc & ~std::uint64_t{0xfff} : kPc;
        require(address_of(word, kPc) == from + static_cast<std::uint64_t>(instruction.value));
    }
    const bool calls = instruction.operation == Operation::call || instruction.operation == Operation::call_register;
    require(is_call(word) == calls);
    if (instruction.operation != Operation::breakpoint)
        require((flow_of(word) == Flow::on) == !program::arm64::ends_flow(instruction.operation));
    if (instruction.operation == Operation::scalable || calls)
        return;
    const RegisterUse use = registers_of(word);
    require((instruction.reads & ~use.reads) == 0);
    require((use.writes & ~instruction.written) == 0);
}

void read(ByteView bytes) {
    const auto x64 = prove::decode(bytes);
    require(!x64 || (x64->length > 0 && x64->length <= std::min<std::size_t>(15, bytes.size())));
    require(!x64 || !x64->distance || x64->distance->offset + x64->distance->size <= x64->length);

    Input input(bytes);
    Subject subject;
    subject.entries.emplace(0, 0);
    struct Change {
        std::size_t word;
        std::uint32_t bits;
    };
    std::vector<Change> changes;
    std::vector<std::pair<std::uint32_t, Registers>> entries;
    for (int i = input.number<std::uint8_t>() % 8; i > 0; --i) {
        const auto word = input.number<std::uint16_t>();
        entries.emplace_back(word, input.number<Registers>() & 0x7fffffff);
    }
    for (int i = input.number<std::uint8_t>() % 16; i > 0; --i) {
        const auto word = input.number<std::uint8_t>();
        changes.push_back({word, input.number<std::uint32_t>()});
    }
    const std::size_t count = input.number<std::uint16_t>() % kMaxWords;
    while (input.rest().size() >= kWordSize && subject.theirs.size() < 2 * kMaxWords) {
        const auto word = input.number<std::uint32_t>();
        check_word(word);
        if (subject.ours.size() < count)
            subject.ours.push_back(word);
        subject.theirs.push_back(word);
    }
    if (subject.ours.empty())
        return;
    for (const auto& [word, different] : entries)
        if (word < subject.ours.size())
            subject.entries[static_cast<std::uint32_t>(word * kWordSize)] |= different;
    Words changed = subject.theirs;
    for (const Change& change : changes)
        changed[change.word % changed.size()] ^= change.bits;
    for (const Words* theirs : {&subject.theirs, &changed}) {
        const auto result = run(subject, *theirs);
        const auto again = run(subject, *theirs);
        require(result.has_value() == again.has_value());
        if (!result) {
            require(result.error().code() == Code::proof_failed && result.error().message() == again.error().message());
            continue;
        }
        require(result->meetings.size() == again->meetings.size() && result->fields == again->fields);
        check(*result, subject, *theirs);
    }
}

} // namespace
} // namespace suture::prove::arm64

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    suture::prove::arm64::read({data, size});
    return 0;
}
