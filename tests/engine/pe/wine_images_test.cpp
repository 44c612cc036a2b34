// Every reader on every DLL that Wine ships, and beside LIEF on some of them.

#include "engine/pe/debug.hpp"
#include "engine/pe/exports.hpp"
#include "engine/pe/identity.hpp"
#include "engine/pe/imports.hpp"
#include "engine/pe/load_config.hpp"
#include "engine/pe/relocations.hpp"
#include "engine/pe/tls.hpp"
#include "engine/pe/unwind_x64.hpp"

#include <LIEF/PE.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

namespace suture::pe {
namespace {

const std::filesystem::path kFolder = "/usr/lib/x86_64-linux-gnu/wine/x86_64-windows";

Bytes bytes_of(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(file), {});
}

/// The image as a loader lays it out at its preferred address, imports not yet resolved.
Bytes mapped(const Image& image) {
    Bytes bytes(image.size_of_image());
    std::copy_n(image.bytes().begin(), image.size_of_headers(), bytes.begin());
    for (const Section& section : image.sections()) {
        if (const auto held = image.bytes_from(section.range.begin))
            std::ranges::copy(held->span(), bytes.begin() + section.range.begin.value);
    }
    return bytes;
}

class WineImagesTest : public ::testing::Test {
  protected:
    void SetUp() override {
        std::error_code error;
        for (const auto& entry : std::filesystem::directory_iterator(kFolder, error)) {
            if (entry.path().extension() == ".dll")
                paths_.push_back(entry.path());
        }
        std::ranges::sort(paths_);
        if (paths_.empty())
            GTEST_SKIP() << "Wine's DLLs are not installed in " << kFolder;
    }

    std::vector<std::filesystem::path> paths_;
};

TEST_F(WineImagesTest, AreReadByEveryReaderAlikeInBothLayouts) {
    std::size_t functions = 0, unwound = 0, exported = 0, imported = 0, relocated = 0;
    for (const auto& path : paths_) {
        SCOPED_TRACE(path.filename());
        const Bytes file = bytes_of(path);
        const auto image = Image::parse(file, Layout::file);
        ASSERT_TRUE(image) << image.error().message();
        const Bytes mapping_bytes = mapped(*image);
        const auto mapping = Image::parse(mapping_bytes, Layout::mapped);
        ASSERT_TRUE(mapping) << mapping.error().message();

        const auto relocations = relocations_of(*image);
        ASSERT_TRUE(relocations) << relocations.error().message();
        EXPECT_EQ(relocations_of(*mapping), *relocations);
        const auto exports = exports_of(*image);
        ASSERT_TRUE(exports) << exports.error().message();
        EXPECT_EQ(exports_of(*mapping), *exports);
        const auto imports = imports_of(*image);
        ASSERT_TRUE(imports) << imports.error().message();
        EXPECT_EQ(imports_of(*mapping), *imports);
        EXPECT_EQ(header_identity_of(*mapping), header_identity_of(*image).value());
        ASSERT_TRUE(debug_info_of(*image));
        ASSERT_TRUE(load_config_of(*image));
        ASSERT_TRUE(tls_of(*image));

        const auto masked = masked_fields_of(*image);
        ASSERT_TRUE(masked) << masked.error().message();
        const auto sections = section_identities_of(*image, *masked);
        ASSERT_TRUE(sections) << sections.error().message();
        EXPECT_EQ(section_identities_of(*mapping, *masked), *sections);

        const auto entries = runtime_functions_of(*image);
        ASSERT_TRUE(entries) << entries.error().message();
        for (const RuntimeFunction& entry : *entries) {
            const auto info = unwind_info_at(*image, entry.unwind_info);
            ASSERT_TRUE(info) << info.error().message();
            unwound += info->codes.size();
        }
        functions += entries->size();
        exported += exports->size();
        imported += imports->size();
        relocated += relocations->size();
    }
    fmt::print("{} images: {} exports, {} import slots, {} relocations, {} runtime functions, {} unwind codes\n",
               paths_.size(), exported, imported, relocated, functions, unwound);
}

TEST_F(WineImagesTest, AreReadAsLiefReadsThem) {
    for (const char* name : {"ntdll.dll", "kernelbase.dll", "ws2_32.dll", "msvcrt.dll", "shell32.dll", "ole32.dll"}) {
        SCOPED_TRACE(name);
        const Bytes file = bytes_of(kFolder / name);
        const auto image = Image::parse(file, Layout::file);
        ASSERT_TRUE(image);
        const auto other = LIEF::PE::Parser::parse((kFolder / name).string());
        ASSERT_TRUE(other);

        std::size_t at = 0;
        for (const LIEF::PE::Section& section : other->sections()) {
            ASSERT_LT(at, image->sections().size());
            EXPECT_EQ(image->sections()[at].range,
                      (RvaRange{{static_cast<std::uint32_t>(section.virtual_address())}, section.virtual_size()}));
            EXPECT_EQ(image->sections()[at].raw_size, section.sizeof_raw_data());
            ++at;
        }
        EXPECT_EQ(at, image->sections().size());
        EXPECT_EQ(image->entry_point().value, other->optional_header().addressof_entrypoint());

        std::vector<Relocation> relocations;
        for (const LIEF::PE::Relocation& block : other->relocations()) {
            for (const LIEF::PE::RelocationEntry& entry : block.entries()) {
                if (entry.type() == LIEF::PE::RELOCATIONS_BASE_TYPES::IMAGE_REL_BASED_DIR64)
                    relocations.push_back({{block.virtual_address() + entry.position()}, 8});
            }
        }
        std::ranges::sort(relocations);
        EXPECT_EQ(relocations_of(*image), relocations);

        std::set<std::pair<std::string, std::string>> imports, imports_here;
        for (const LIEF::PE::Import& dll : other->imports()) {
            for (const LIEF::PE::ImportEntry& entry : dll.entries())
                imports.emplace(dll.name(), entry.is_ordinal() ? fmt::format("#{}", entry.ordinal()) : entry.name());
        }
        const auto slots = imports_of(*image);
        ASSERT_TRUE(slots);
        for (const ImportSlot& slot : *slots) {
            if (!slot.delayed)
                imports_here.emplace(slot.dll, slot.name.empty() ? fmt::format("#{}", slot.ordinal) : slot.name);
        }
        EXPECT_EQ(imports_here, imports);

        std::set<std::string> exports, exports_here;
        for (const LIEF::PE::ExportEntry& entry : other->get_export().entries()) {
            if (!entry.name().empty())
                exports.insert(entry.name());
        }
        const auto entries = exports_of(*image);
        ASSERT_TRUE(entries);
        for (const Export& entry : *entries) {
            if (!entry.name.empty())
                exports_here.insert(entry.name);
            exports.erase(entry.forwarder); // LIEF adds what is forwarded to as an export of its own
        }
        std::vector<std::string> difference;
        std::ranges::set_symmetric_difference(exports_here, exports, std::back_inserter(difference));
        EXPECT_TRUE(difference.empty()) << fmt::format("{}", fmt::join(difference, " "));
    }
}

} // namespace
} // namespace suture::pe
