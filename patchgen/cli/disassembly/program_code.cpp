#include "patchgen/cli/disassembly/program_code.hpp"

#include "patchgen/cli/disassembly/disassemble.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace suture::cli {

namespace {

using program::Function;
using program::Reference;
using program::ReferenceKind;

/// Stands in the text of an instruction for what it refers to.
constexpr char kMark = '\x01';

std::string put(std::string text, std::string_view name) {
    const std::size_t mark = text.find(kMark);
    return mark == std::string::npos ? text : text.replace(mark, 1, name);
}

/// Marks the number `value`, or else the last one of an Arm64 instruction that may have left out a zero.
std::string mark_number(std::string text, std::uint64_t value, bool arm64) {
    for (std::size_t at = text.find("0x"); at != std::string::npos; at = text.find("0x", at + 2)) {
        std::uint64_t number = 0;
        const auto end = std::from_chars(text.data() + at + 2, text.data() + text.size(), number, 16).ptr;
        const std::size_t begin = at > 0 && text[at - 1] == '#' ? at - 1 : at;
        if (number == value)
            return text.replace(begin, static_cast<std::size_t>(end - text.data()) - begin, 1, kMark);
    }
    if (arm64 && text.ends_with(']'))
        return text.insert(text.size() - 1, fmt::format(", {}", kMark));
    return text;
}

class Listing {
  public:
    Listing(const Names& names, const Function& function)
        : names_(names), program_(names.program()), function_(function) {}

    std::vector<CodeLine> run() {
        const auto content = program_.image().bytes_at(function_.range.begin, function_.range.size);
        if (!content)
            return {};
        if (!function_.decoded || function_.instructions.empty()) {
            instructions(*content, 0);
            return std::move(lines_);
        }
        const auto starts = function_.instructions.offsets();
        if (starts.front() != 0)
            data(*content->slice(0, std::min<std::uint64_t>(starts.front(), content->size())), 0);
        for (std::size_t i = 0; i < starts.size() && starts[i] < content->size(); ++i) {
            const std::uint32_t end = i + 1 < starts.size() ? starts[i + 1] : function_.range.size;
            const ByteView bytes =
                *content->slice(starts[i], std::min<std::uint64_t>(end, content->size()) - starts[i]);
            // What follows an instruction up to the next is data.
            const auto first =
                disassembled(*bytes.slice(0, std::min<std::size_t>(bytes.size(), 15)), starts[i]).front();
            add(first);
            if (first.bytes.size() < bytes.size())
                data(*bytes.from(first.bytes.size()), starts[i] + static_cast<std::uint32_t>(first.bytes.size()));
        }
        return std::move(lines_);
    }

  private:
    std::vector<Line> disassembled(ByteView bytes, std::uint32_t offset) const {
        return disassemble(program_.image().machine(), bytes, function_.range.begin + offset,
                           program_.image().image_base().value, [](std::uint64_t) { return std::string(1, kMark); });
    }

    void instructions(ByteView bytes, std::uint32_t offset) {
        for (const Line& line : disassembled(bytes, offset))
            add(line);
    }

    void data(ByteView bytes, std::uint32_t offset) {
        for (const Line& line : data_lines(bytes, function_.range.begin + offset))
            lines_.push_back({line.at - function_.range.begin, line.text, "", line.text, {}, {}});
    }

    const Reference* reference_of(std::uint32_t instruction) const {
        // A reference lies in its instruction: the list ascends by both.
        const auto found =
            std::partition_point(function_.references.begin(), function_.references.end(),
                                 [&](const Reference& reference) { return reference.instruction < instruction; });
        return found != function_.references.end() && found->instruction == instruction ? &*found : nullptr;
    }

    /// What an adrp is for: what the first instruction that goes on from it refers to.
    const Reference* user_of(std::uint32_t page) const {
        const auto use =
            std::lower_bound(function_.page_uses.begin(), function_.page_uses.end(), program::PageUse{page, 0});
        return use != function_.page_uses.end() && use->page == page ? reference_of(use->user) : nullptr;
    }

    void add(const Line& line) {
        const std::uint32_t offset = line.at - function_.range.begin;
        CodeLine result{offset, line.text, "", line.text, {}, {}};
        const Reference* reference = reference_of(offset);
        std::string around = "{}";
        if (reference && reference->kind == ReferenceKind::arm64_page21) {
            reference = user_of(offset);
            around = "page({})";
        } else if (reference && (reference->kind == ReferenceKind::arm64_low12_add ||
                                 reference->kind == ReferenceKind::arm64_low12_load)) {
            result.text = mark_number(line.text, reference->target.value & 0xfff, true);
            around = "low({})";
        } else if (reference && reference->kind == ReferenceKind::absolute) {
            result.text = mark_number(line.text, program_.image().image_base().value + reference->target.value, false);
        } else if (reference && reference->kind == ReferenceKind::image_relative) {
            result.text = mark_number(line.text, reference->target.value, false);
        }
        std::optional<Rva> target;
        if (reference)
            target = reference->target;
        else if (line.target)
            target = Rva{static_cast<std::uint32_t>(*line.target - program_.image().image_base().value)};
        if (target)
            name(result, *target, reference, around);
        lines_.push_back(std::move(result));
    }

    void name(CodeLine& line, Rva target, const Reference* reference, const std::string& around) {
        const std::string text = line.text;
        if (function_.range.contains(target)) {
            line.inner = target - function_.range.begin;
            line.text = put(text, fmt::format("+0x{:x}", *line.inner));
            line.key = put(text, "inner");
            return;
        }
        const std::uint32_t read = reference && reference->use == program::Use::read ? reference->access_size : 0;
        line.text = put(text, fmt::format(fmt::runtime(around), names_.of(target, read)));
        line.key = put(text, fmt::format(fmt::runtime(around), names_.key(target, read)));
        line.note = names_.note(target, read);
        if (line.text.find(line.note) != std::string::npos)
            line.note.clear();
        if (const Function* other = program_.function_at(target))
            line.function = other->range.begin;
    }

    const Names& names_;
    const program::Program& program_;
    const Function& function_;
    std::vector<CodeLine> lines_;
};

} // namespace

std::vector<CodeLine> code_of(const Names& names, const Function& function) {
    return Listing(names, function).run();
}

} // namespace suture::cli
