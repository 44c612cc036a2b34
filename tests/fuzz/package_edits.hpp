#pragma once

#include "engine/package/writer.hpp"
#include "engine/pe/identity.hpp"
#include "tests/fuzz/input.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

namespace suture::fuzz {

/// Changes the contents of a package as an input says, until it ends. What belongs together is kept so where a fuzzer
/// would never hit it: digests and original bytes are those of the baseline, lists ascend.
class PackageEdits {
  public:
    PackageEdits(package::Contents& contents, Input& input, ByteView baseline)
        : contents_(contents), manifest_(contents.manifest), input_(input),
          image_(*pe::Image::parse(baseline, pe::Layout::file)) {}

    void run() {
        constexpr std::array kEdits = {
            &PackageEdits::add_function,   &PackageEdits::change_function, &PackageEdits::drop_function,
            &PackageEdits::add_fixup,      &PackageEdits::add_retired,     &PackageEdits::change_code,
            &PackageEdits::add_section,    &PackageEdits::add_global,      &PackageEdits::add_import,
            &PackageEdits::add_relocation, &PackageEdits::add_unwind,      &PackageEdits::change_order,
            &PackageEdits::change_names};
        while (!input_.rest().empty())
            (this->*kEdits[byte() % kEdits.size()])();
        if (!requests_.empty())
            lay_out_imports();
        std::ranges::sort(manifest_.functions, {}, &package::Replacement::baseline);
        std::ranges::sort(manifest_.fixups);
        std::ranges::sort(manifest_.retired);
        std::ranges::sort(manifest_.globals, {}, &package::Global::at);
        std::ranges::sort(contents_.relocations);
        std::ranges::sort(contents_.runtime_functions);
    }

  private:
    std::uint8_t byte() { return input_.number<std::uint8_t>(); }
    /// An RVA near the code of the baseline, or of the package.
    Rva near_code() { return {package::kFirstSection.value + byte()}; }
    Rva in_package() { return {package::kFirstSection.value + byte() % 8 * package::kPageSize + byte()}; }

    void add_function() {
        package::Replacement function;
        function.baseline = near_code();
        function.baseline_size = byte();
        const std::uint8_t kind = byte();
        function.site.kind = isa::site_kind_from(kind % 6).value_or(isa::SiteKind::x64_padded);
        const std::uint32_t branch = kind >= 0x80 ? isa::Isa::kWideBranchSize : isa::Isa::kBranchSize;
        if (function.site.uses_pad())
            function.site.pad_size = branch;
        function.site.entry = function.baseline;
        function.site.entry_size = function.site.uses_pad() ? 2 : branch;
        function.site.displaced = byte() % 24;
        if (function.site.uses_pad())
            function.site.pad = near_code();
        function.patch = near_code();
        function.patch_size = byte();
        describe(function);
        manifest_.functions.push_back(std::move(function));
    }
    void change_function() {
        if (manifest_.functions.empty())
            return;
        package::Replacement& function = manifest_.functions[byte() % manifest_.functions.size()];
        function.baseline_size = byte();
        function.patch = near_code();
        function.patch_size = byte();
        function.loops_to_entry = (byte() & 1) != 0;
        describe(function);
    }
    void drop_function() {
        if (!manifest_.functions.empty())
            manifest_.functions.erase(manifest_.functions.begin() +
                                      static_cast<std::ptrdiff_t>(byte() % manifest_.functions.size()));
    }
    void describe(package::Replacement& function) const {
        const auto bytes = [&](Rva at, std::uint32_t size) {
            const auto found = image_.bytes_at(at, size);
            return found ? found->copy() : Bytes{};
        };
        function.entry_bytes = bytes(function.baseline, function.site.original_size());
        function.pad_bytes = function.site.uses_pad() ? bytes(function.site.pad, function.site.pad_size) : Bytes{};
        function.baseline_digest =
            pe::masked_digest(image_, {function.baseline, function.baseline_size}, {}).value_or(Digest{});
    }

    void add_fixup() {
        package::Fixup fixup;
        fixup.kind = static_cast<package::FixupKind>(byte() % 6);
        fixup.source = in_package();
        fixup.target = {input_.number<std::uint32_t>()};
        fixup.addend = input_.number<std::int32_t>();
        manifest_.fixups.push_back(fixup);
    }
    void add_retired() { manifest_.retired.push_back({near_code(), byte()}); }

    void change_code() {
        Bytes& code = contents_.sections.front().bytes;
        const std::size_t at = byte() % code.size();
        const ByteView change = input_.take(byte() % 16);
        std::copy_n(change.begin(), std::min(change.size(), code.size() - at),
                    code.begin() + static_cast<std::ptrdiff_t>(at));
    }
    void add_section() {
        const package::SectionContent& last = contents_.sections.back();
        const std::uint32_t end = last.rva.value + last.virtual_size;
        package::SectionContent section;
        section.name = (byte() & 1) != 0 ? ".data" : ".rdata";
        section.rva = {(end + package::kPageSize - 1) / package::kPageSize * package::kPageSize};
        section.bytes = input_.take(byte()).copy();
        section.virtual_size = static_cast<std::uint32_t>(section.bytes.size()) + byte() * 64u;
        contents_.sections.push_back(std::move(section));
    }
    void add_global() { manifest_.globals.push_back({"global", in_package(), byte()}); }

    void add_import() {
        constexpr std::array<std::string_view, 4> kDlls = {"system.dll", "SYSTEM.DLL", "app.dll", "missing.dll"};
        constexpr std::array<std::string_view, 5> kNames = {"Beep", "Forwarded", "Twice", "Missing", ""};
        package::ImportRequest request;
        request.dll = kDlls[byte() % kDlls.size()];
        request.name = kNames[byte() % kNames.size()];
        if (request.name.empty())
            request.ordinal = byte() % 8;
        requests_.push_back(std::move(request));
    }
    /// Behind all that .rdata holds: the table must be the section's own bytes.
    void lay_out_imports() {
        const auto constants = std::ranges::find(contents_.sections, ".rdata", &package::SectionContent::name);
        if (constants == contents_.sections.end())
            return;
        constants->bytes.resize((constants->bytes.size() + 7) / 8 * 8);
        contents_.imports = package::build_import_table(
            requests_, constants->rva + static_cast<std::uint32_t>(constants->bytes.size()));
        constants->bytes.insert(constants->bytes.end(), contents_.imports->bytes.begin(),
                                contents_.imports->bytes.end());
        constants->virtual_size =
            std::max(constants->virtual_size, static_cast<std::uint32_t>(constants->bytes.size()));
    }

    void add_relocation() {
        const Rva at = in_package();
        for (package::SectionContent& section : contents_.sections) {
            const std::uint64_t offset = std::uint64_t{at.value} - section.rva.value;
            if (at < section.rva || offset + sizeof(std::uint64_t) > section.bytes.size())
                continue;
            const std::uint64_t value = package::kPreferredBase.value + in_package().value;
            std::memcpy(section.bytes.data() + offset, &value, sizeof(value));
        }
        contents_.relocations.push_back(at);
    }
    void add_unwind() {
        pe::RuntimeFunction function;
        function.range = {near_code(), byte()};
        function.unwind_info = in_package();
        contents_.runtime_functions.push_back(function);
    }
    void change_order() {
        manifest_.sequence = byte() % 4;
        manifest_.min_sequence = byte() % 4;
    }
    void change_names() {
        constexpr std::array<std::string_view, 4> kModules = {"app.dll", "APP.DLL", "system.dll", "none.dll"};
        manifest_.module = kModules[byte() % kModules.size()];
        const ByteView id = input_.take(byte() % 8);
        manifest_.id.assign(id.begin(), id.end());
    }

    package::Contents& contents_;
    package::Manifest& manifest_;
    Input& input_;
    pe::Image image_;
    std::vector<package::ImportRequest> requests_;
};

inline void edit(package::Contents& contents, Input& input, ByteView baseline) {
    PackageEdits(contents, input, baseline).run();
}

} // namespace suture::fuzz
