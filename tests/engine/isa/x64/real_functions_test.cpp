#include "engine/isa/isa.hpp"
#include "engine/pe/image.hpp"
#include "engine/pe/unwind_x64.hpp"

#include <Zydis/Zydis.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

// Every function of the DLLs that Debian's Wine ships: a site is chosen, proved and encoded, and what was encoded is
// compared with the original by a disassembler.
namespace suture::isa {
namespace {

const std::filesystem::path kFolder = "/usr/lib/x86_64-linux-gnu/wine/x86_64-windows";
constexpr Va kBase{0x1'8000'0000};

struct Decoded {
    ZydisDecodedInstruction info;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

std::optional<Decoded> decode_at(ByteView code, std::uint64_t offset) {
    static const ZydisDecoder decoder = [] {
        ZydisDecoder value;
        ZydisDecoderInit(&value, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
        return value;
    }();
    Decoded out;
    const auto rest = code.from(offset);
    if (!rest || ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, rest->data(), rest->size(), &out.info, out.operands)))
        return std::nullopt;
    return out;
}

/// Where a relative branch or a RIP-relative operand leads.
std::optional<std::uint64_t> absolute(const Decoded& decoded, unsigned operand, Va at) {
    std::uint64_t address = 0;
    if (ZYAN_FAILED(ZydisCalcAbsoluteAddress(&decoded.info, &decoded.operands[operand], at.value, &address)))
        return std::nullopt;
    return address;
}

std::optional<std::uint64_t> reference_of(const Decoded& decoded, Va at) {
    if ((decoded.info.attributes & ZYDIS_ATTRIB_IS_RELATIVE) == 0)
        return std::nullopt;
    for (unsigned i = 0; i < decoded.info.operand_count; ++i) {
        const auto& operand = decoded.operands[i];
        const bool memory = operand.type == ZYDIS_OPERAND_TYPE_MEMORY && operand.mem.base == ZYDIS_REGISTER_RIP;
        if (memory || (operand.type == ZYDIS_OPERAND_TYPE_IMMEDIATE && operand.imm.is_relative))
            return absolute(decoded, i, at);
    }
    return std::nullopt;
}

/// The same operation on the same registers, immediates and absolute addresses.
bool means_the_same(const Decoded& a, Va a_at, const Decoded& b, Va b_at) {
    if (a.info.mnemonic != b.info.mnemonic || a.info.operand_count != b.info.operand_count ||
        reference_of(a, a_at) != reference_of(b, b_at))
        return false;
    for (unsigned i = 0; i < a.info.operand_count; ++i) {
        const auto &x = a.operands[i], &y = b.operands[i];
        if (x.type != y.type)
            return false;
        if (x.type == ZYDIS_OPERAND_TYPE_REGISTER && x.reg.value != y.reg.value)
            return false;
        if (x.type == ZYDIS_OPERAND_TYPE_MEMORY &&
            (x.size != y.size || x.mem.base != y.mem.base || x.mem.index != y.mem.index || x.mem.scale != y.mem.scale ||
             x.mem.segment != y.mem.segment ||
             (x.mem.base != ZYDIS_REGISTER_RIP && x.mem.disp.value != y.mem.disp.value)))
            return false;
        if (x.type == ZYDIS_OPERAND_TYPE_IMMEDIATE && !x.imm.is_relative && x.imm.value.u != y.imm.value.u)
            return false;
    }
    return true;
}

/// `push imm32; mov dword [rsp+4], imm32` at `offset`: the address pushed.
std::optional<std::uint64_t> pushed_address(ByteView code, std::uint64_t& offset) {
    const auto low = code.read<std::uint32_t>(offset + 1);
    const auto high = code.read<std::uint32_t>(offset + 9);
    if (!low || !high || code[offset] != 0x68)
        return std::nullopt;
    offset += 13;
    return std::uint64_t{*high} << 32 | *low;
}

/// Walks the displaced bytes and the continuation side by side. Returns what differs, or nothing.
std::string compare(ByteView displaced, Va entry, ByteView moved, Va at) {
    std::uint64_t from = 0, to = 0;
    bool goes_on = true;
    while (from < displaced.size()) {
        const auto original = decode_at(displaced, from);
        if (!original)
            return "displaced bytes are not whole instructions";
        const Va original_at = entry + from;
        from += original->info.length;
        const bool is_call = original->info.meta.category == ZYDIS_CATEGORY_CALL;
        if (is_call && pushed_address(moved, to) != (entry + from).value)
            return "a call pushes another return address";
        const auto found = decode_at(moved, to);
        if (!found)
            return "the continuation ends early";
        const Va found_at = at + to;
        to += found->info.length;
        if (is_call) {
            if (found->info.mnemonic != ZYDIS_MNEMONIC_JMP ||
                reference_of(*original, original_at) != reference_of(*found, found_at))
                return "a call goes elsewhere";
        } else if (!means_the_same(*original, original_at, *found, found_at)) {
            return "an instruction differs";
        }
        goes_on = !is_call && original->info.meta.category != ZYDIS_CATEGORY_UNCOND_BR &&
                  original->info.meta.category != ZYDIS_CATEGORY_RET && original->info.mnemonic != ZYDIS_MNEMONIC_UD2;
    }
    if (goes_on) {
        const auto back = decode_at(moved, to);
        if (!back || back->info.mnemonic != ZYDIS_MNEMONIC_JMP || reference_of(*back, at + to) != (entry + from).value)
            return "no way back";
        to += back->info.length;
    }
    return to == moved.size() ? "" : "bytes behind the end";
}

/// Where the site leads once it is written: follows the branches from the entry, and takes the cell to lie at the stub.
std::optional<Va> destination(ByteView section, Rva section_at, const Site& site,
                              const std::vector<CodeWrite>& writes) {
    const Isa& isa = *isa_for(Machine::x64);
    const auto code_at = [&](Rva rva) {
        for (const CodeWrite& write : writes)
            if (write.at == rva)
                return write.bytes;
        return section.slice(rva - section_at, 16).value_or(ByteView()).copy();
    };
    Va at = kBase + site.entry.value;
    for (unsigned hops = site.uses_pad() ? 2 : 1; hops > 0; --hops) {
        const auto jump = isa.jump_at(code_at(Rva{static_cast<std::uint32_t>(at - kBase)}), at);
        if (!jump || jump->indirect != (hops == 1 && site.branch_size() == Isa::kWideBranchSize))
            return std::nullopt;
        at = jump->to;
    }
    return at;
}

struct Totals {
    std::map<std::string_view, std::size_t> kinds;
    std::size_t functions = 0;
};

class RealImage {
  public:
    static std::optional<RealImage> read(const std::filesystem::path& path) {
        std::ifstream file(path, std::ios::binary);
        RealImage out;
        out.file_.assign(std::istreambuf_iterator<char>(file), {});
        const auto image = pe::Image::parse(out.file_, pe::Layout::file);
        if (!image || image->machine() != Machine::x64)
            return std::nullopt;
        const pe::Section* section = image->section_named(".text");
        const auto functions = pe::runtime_functions_of(*image);
        if (!section || !functions)
            return std::nullopt;
        const auto code = image->bytes_from(section->range.begin);
        if (!code)
            return std::nullopt;
        out.code_ = *code;
        out.code_at_ = section->range.begin;
        for (const pe::RuntimeFunction& function : *functions) {
            if (!out.code_.slice(function.range.begin - out.code_at_, function.range.size))
                continue;
            const auto info = pe::unwind_info_at(*image, function.unwind_info);
            if (info && !info->chained)
                out.functions_.push_back(function.range);
        }
        out.collect_targets();
        return out;
    }

    void check_all(std::mt19937_64& random, Totals& totals) const {
        std::vector<SiteQuestion::Pad> caves;
        for (std::size_t i = 0; i < functions_.size(); ++i)
            if (const ByteView gap = gap_before(i); gap.size() >= 5 && !wants_its_pad(i))
                caves.push_back({functions_[i].begin - static_cast<std::uint32_t>(gap.size()), gap});
        for (std::size_t i = 0; i < functions_.size(); ++i)
            check(i, caves, random, totals);
    }

  private:
    ByteView at(Rva rva, std::uint64_t size) const {
        const std::uint64_t offset = rva - code_at_;
        return code_.slice(offset, std::min<std::uint64_t>(size, code_.size() - offset)).value_or(ByteView());
    }

    void collect_targets() {
        for (const RvaRange& function : functions_)
            for (std::uint32_t offset = 0; offset < function.size;) {
                const auto decoded = decode_at(at(function.begin, function.size), offset);
                if (!decoded)
                    break;
                if (const auto to = reference_of(*decoded, kBase + function.begin.value + offset))
                    targets_.insert(Rva{static_cast<std::uint32_t>(*to - kBase.value)});
                offset += decoded->info.length;
            }
    }

    /// The fill before function `i`: all that lies between it and the function before it, if all of that is fill.
    ByteView gap_before(std::size_t i) const {
        if (i == 0 || functions_[i - 1].end() >= functions_[i].begin.value)
            return {};
        const Rva begin{static_cast<std::uint32_t>(functions_[i - 1].end())};
        const ByteView gap = at(begin, functions_[i].begin - begin);
        return isa_for(Machine::x64)->is_fill(gap) ? gap : ByteView();
    }

    bool wants_its_pad(std::size_t i) const {
        return isa_for(Machine::x64)->instruction_length(at(functions_[i].begin, functions_[i].size)).value_or(1) > 1;
    }

    void check(std::size_t i, std::vector<SiteQuestion::Pad>& caves, std::mt19937_64& random, Totals& totals) const {
        const Isa& isa = *isa_for(Machine::x64);
        const RvaRange function = functions_[i];
        std::vector<std::uint32_t> inner;
        for (auto target = targets_.upper_bound(function.begin); target != targets_.end() && function.contains(*target);
             ++target)
            inner.push_back(*target - function.begin);
        const ByteView before = wants_its_pad(i) ? gap_before(i) : ByteView();
        const ByteView after = function.size < 5 && i + 1 < functions_.size() ? gap_before(i + 1) : ByteView();
        const auto site = isa.choose_site(
            {function.begin, function.size, at(function.begin, function.size), before, after, inner, caves});
        ++totals.functions;
        if (!site) {
            EXPECT_EQ(site.error().code(), Code::site_none);
            return;
        }
        ++totals.kinds[name_of(site->kind)];
        SCOPED_TRACE(::testing::Message() << std::hex << "rva " << function.begin.value << " " << name_of(site->kind));
        if (site->kind == SiteKind::x64_cave)
            std::erase_if(caves, [&](const SiteQuestion::Pad& cave) {
                return RvaRange{cave.at, static_cast<std::uint32_t>(cave.bytes.size())}.contains(site->pad);
            });

        const auto proved =
            isa.prove_site(*site, at(site->entry, Isa::kEntryContext),
                           site->uses_pad() ? at(site->pad - Isa::kPadContext, Isa::kPadContext + 5) : ByteView());
        ASSERT_TRUE(proved) << proved.error().message();

        const std::uint64_t span = isa.reach();
        const Va place = kBase + function.begin.value - span + random() % (2 * span);
        const auto writes = isa.encode_site(*site, kBase, place, place);
        ASSERT_TRUE(writes) << writes.error().message();
        EXPECT_EQ(destination(code_, code_at_, *site, *writes), place);

        const ByteView displaced = at(site->entry, site->displaced);
        const auto moved = isa.encode_continuation(displaced, kBase + site->entry.value, place);
        if (!moved) { // the place is within reach of the entry, perhaps not of all that the entry refers to
            EXPECT_EQ(moved.error().code(), Code::branch_out_of_reach);
            return;
        }
        EXPECT_EQ(compare(displaced, kBase + site->entry.value, *moved, place), "");
    }

    Bytes file_;
    ByteView code_;
    Rva code_at_;
    std::vector<RvaRange> functions_;
    std::set<Rva> targets_;
};

TEST(RealFunctions, EachSiteIsProvedAndEachContinuationMeansTheSame) {
    if (!std::filesystem::is_directory(kFolder))
        GTEST_SKIP() << "no Wine";
    std::vector<std::filesystem::path> paths;
    for (const char* name : {"ntdll.dll", "kernelbase.dll", "ucrtbase.dll", "user32.dll", "msvcrt.dll", "ole32.dll",
                             "rpcrt4.dll", "crypt32.dll", "msvcp140.dll"})
        if (std::filesystem::exists(kFolder / name))
            paths.push_back(kFolder / name);
    std::mt19937_64 random(1);
    Totals totals;
    for (const auto& path : paths) {
        SCOPED_TRACE(path.filename().string());
        if (const auto image = RealImage::read(path))
            image->check_all(random, totals);
    }
    EXPECT_GT(totals.functions, 1000u);
    RecordProperty("functions", static_cast<int>(totals.functions));
    std::size_t redirectable = 0;
    for (const auto& [kind, count] : totals.kinds) {
        RecordProperty(std::string(kind), static_cast<int>(count));
        redirectable += count;
    }
    EXPECT_GT(redirectable * 100, totals.functions * 98);
}

} // namespace
} // namespace suture::isa
