#include "patchgen/diff/loader_settings.hpp"

#include "patchgen/match/sections.hpp"

#include <fmt/format.h>

#include <array>

namespace suture::diff {

namespace {

/// A number in a structure of the image.
struct Field {
    std::uint32_t offset;
    std::uint32_t size; ///< bytes
    std::string_view name;
};

// IMAGE_OPTIONAL_HEADER64; the system looks at these in programs only.
constexpr std::array<Field, 6> kProgramFields{{{48, 2, "the major subsystem version"},
                                               {50, 2, "the minor subsystem version"},
                                               {72, 8, "the stack reserve"},
                                               {80, 8, "the stack commit"},
                                               {88, 8, "the heap reserve"},
                                               {96, 8, "the heap commit"}}};

// IMAGE_LOAD_CONFIG_DIRECTORY64, without times, versions and addresses.
constexpr std::array<Field, 10> kLoadConfigFields{{{0x0c, 4, "GlobalFlagsClear"},
                                                   {0x10, 4, "GlobalFlagsSet"},
                                                   {0x14, 4, "CriticalSectionDefaultTimeout"},
                                                   {0x18, 8, "DeCommitFreeBlockThreshold"},
                                                   {0x20, 8, "DeCommitTotalFreeThreshold"},
                                                   {0x30, 8, "MaximumAllocationSize"},
                                                   {0x38, 8, "VirtualMemoryThreshold"},
                                                   {0x40, 8, "ProcessAffinityMask"},
                                                   {0x48, 4, "ProcessHeapFlags"},
                                                   {0x4e, 2, "DependentLoadFlags"}}};

// Bits that only describe the file: IMAGE_FILE_LINE_NUMS_STRIPPED, _LOCAL_SYMS_STRIPPED, _DEBUG_STRIPPED.
constexpr std::uint32_t kDescribing = 0x0004 | 0x0008 | 0x0200;
// GuardFlags: the upper four bits are the size of a table's entries.
constexpr std::uint32_t kGuardTableForm = 0xf0000000;
// IMAGE_DLLCHARACTERISTICS_EX_HOTPATCH_COMPATIBLE is about hotpatches of others.
constexpr std::uint32_t kHotpatchCompatible = 0x80;
// IMAGE_SCN_MEM_SHARED, _EXECUTE, _READ, _WRITE.
constexpr std::uint32_t kMemory = 0xf0000000;

class Comparison {
  public:
    Comparison(const program::Program& baseline, const program::Program& updated)
        : old_(baseline.image()), new_(updated.image()), old_program_(baseline), new_program_(updated) {}

    std::vector<std::string> run() {
        compare("the characteristics", std::uint32_t{old_.characteristics()} & ~kDescribing,
                std::uint32_t{new_.characteristics()} & ~kDescribing);
        compare("the DLL characteristics", old_.dll_characteristics(), new_.dll_characteristics());
        compare("the extended DLL characteristics", old_program_.debug().ex_dll_characteristics & ~kHotpatchCompatible,
                new_program_.debug().ex_dll_characteristics & ~kHotpatchCompatible);
        compare("the guard flags", old_program_.load_config().guard_flags & ~kGuardTableForm,
                new_program_.load_config().guard_flags & ~kGuardTableForm);
        for (const Field& field : kLoadConfigFields)
            compare(field.name, load_config(old_program_, field), load_config(new_program_, field));
        if (!new_.is_dll())
            for (const Field& field : kProgramFields)
                compare(field.name, header(old_, field), header(new_, field));
        sections();
        return std::move(found_);
    }

  private:
    void compare(std::string_view what, std::uint64_t before, std::uint64_t after) {
        if (before != after)
            found_.push_back(fmt::format("{} is 0x{:x}, was 0x{:x}", what, after, before));
    }

    static std::uint64_t number(const pe::Image& image, Rva at, std::uint32_t size) {
        const auto bytes = image.bytes_at(at, size);
        std::uint64_t value = 0;
        for (std::uint32_t i = 0; bytes && i < size; ++i)
            value |= std::uint64_t{(*bytes)[i]} << 8 * i;
        return value;
    }

    static std::uint64_t load_config(const program::Program& program, const Field& field) {
        const bool has = field.offset + field.size <= program.load_config().size;
        const Rva at = program.image().directory(pe::Directory::load_config).begin + field.offset;
        return has ? number(program.image(), at, field.size) : 0;
    }

    static std::uint64_t header(const pe::Image& image, const Field& field) {
        // e_lfanew; the optional header lies behind the signature and the COFF header.
        const Rva headers{image.read<std::uint32_t>(Rva{0x3c}).value_or(0)};
        return number(image, headers + (24 + field.offset), field.size);
    }

    void sections() {
        for (const pe::Section& section : new_.sections())
            if (const pe::Section* before = match::section_like(old_, new_, section))
                compare(fmt::format("the protection of section {}", section.name), before->characteristics & kMemory,
                        section.characteristics & kMemory);
    }

    const pe::Image& old_;
    const pe::Image& new_;
    const program::Program& old_program_;
    const program::Program& new_program_;
    std::vector<std::string> found_;
};

} // namespace

std::vector<std::string> changed_loader_settings(const program::Program& baseline, const program::Program& updated) {
    return Comparison(baseline, updated).run();
}

} // namespace suture::diff
