#include "engine/package/limits.hpp"
#include "patchgen/cli/commands.hpp"
#include "patchgen/cli/disassembly/package_code.hpp"
#include "patchgen/cli/plain_text.hpp"

namespace suture::cli {

namespace {

using package::Package;
using package::Replacement;

/// Bytes of code that are shown, in all: functions may share code, so that a small file could say much.
constexpr std::size_t kMaxShownCode = 4u << 20;

/// Code of replacements, as long as it is not too much.
class ShownCode {
  public:
    explicit ShownCode(const Disassembler& disassembler) : disassembler_(disassembler) {}

    /// Nothing where too much has been shown already.
    std::optional<std::vector<Line>> of(const Replacement& function) {
        shown_ += function.patch_size;
        if (shown_ > kMaxShownCode)
            return std::nullopt;
        return disassembler_.package_code({function.patch, function.patch_size});
    }

  private:
    const Disassembler& disassembler_;
    std::uint64_t shown_ = 0;
};

std::string name_of_import(const pe::ImportSlot& slot) {
    return slot.name.empty() ? fmt::format("{}#{}", slot.dll, slot.ordinal) : fmt::format("{}!{}", slot.dll, slot.name);
}

std::string pdb_text(const pe::HeaderIdentity& baseline) {
    return baseline.has_pdb ? fmt::format("{:02x}/{}", fmt::join(baseline.pdb_guid, ""), baseline.pdb_age) : "none";
}

std::string code_text(const std::vector<Line>& lines) {
    std::string text;
    for (const Line& line : lines)
        text += fmt::format("      {:>8}  {:<32} {}\n", hex(line.at.value), hex(ByteView(line.bytes)), line.text);
    return text;
}

std::string function_text(const Replacement& function, const isa::Isa& isa, const Disassembler& disassembler,
                          ShownCode& code, const Output& output) {
    std::string text = fmt::format("\n  {}\n    baseline {}, {} bytes, {}\n    replacement {}, {} bytes{}\n",
                                   output.styled(Output::Style::bold, disassembler.baseline_name(function.baseline)),
                                   hex(function.baseline.value), function.baseline_size, function.baseline_digest.hex(),
                                   hex(function.patch.value), function.patch_size,
                                   function.loops_to_entry ? ", the baseline's code branches to its own entry" : "");
    text += fmt::format(
        "    {} at {}, {} bytes displaced{}\n", isa::name_of(function.site.kind), hex(function.site.entry.value),
        function.site.displaced,
        isa.needs_no_stop(function.site, function.entry_bytes) ? "" : ", written while the threads are stopped");
    if (function.site.uses_pad())
        text +=
            fmt::format("      {:>8}  {:<32} pad\n", hex(function.site.pad.value), hex(ByteView(function.pad_bytes)));
    const auto lines = code.of(function);
    return text + code_text(disassembler.baseline_code(function.entry_bytes, function.baseline)) +
           (lines ? "    code\n" + code_text(*lines) : "    code is left out: there is too much of it\n");
}

std::string package_text(const Package& package, const std::string& path, std::size_t bytes, const Output& output) {
    const package::Manifest& manifest = package.manifest();
    const Disassembler disassembler(package);
    std::string text = fmt::format("{}  {}  {}\n", output.styled(Output::Style::bold, plain(path)),
                                   name_of(manifest.machine), counted(bytes, "byte"));
    text += fmt::format(
        "  id          {}\n  sequence    {}, replaces {}\n  digest      {}\n  signature   {}\n", plain(manifest.id),
        manifest.sequence, manifest.min_sequence ? fmt::format("{} and later", manifest.min_sequence) : "any",
        package.digest().hex(), package.certificates_size() ? counted(package.certificates_size(), "byte") : "none");
    text += fmt::format("baseline {}\n  TimeDateStamp {:08x}, CheckSum {:08x}, SizeOfImage {}\n  PDB         {}\n"
                        "  SHA-256     {:02x}\n  SHA-1       {:02x}\n",
                        output.styled(Output::Style::bold, plain(manifest.module)), manifest.baseline.time_date_stamp,
                        manifest.baseline.checksum, hex(manifest.baseline.size_of_image), pdb_text(manifest.baseline),
                        fmt::join(manifest.baseline_sha256, ""), fmt::join(manifest.baseline_sha1, ""));
    for (const pe::SectionIdentity& section : manifest.sections)
        text += fmt::format("  code        {}, {} bytes, {}\n", hex(section.range.begin.value), section.range.size,
                            section.digest.hex());
    text += "sections\n";
    for (const pe::Section& section : package.image().sections())
        text += fmt::format("  {:<8}    {}, {} bytes\n", plain_cut(section.name), hex(section.range.begin.value),
                            section.range.size);
    if (!manifest.globals.empty())
        text += "globals\n";
    for (const package::Global& global : manifest.globals)
        text += fmt::format("  {:<10}  {}, {}\n", plain_cut(global.name), hex(global.at.value),
                            counted(global.size, "byte"));
    if (!package.imports().empty())
        text += "imports that the baseline does not have\n";
    for (const pe::ImportSlot& slot : package.imports())
        text += fmt::format("  {:<10}  {}\n", hex(slot.slot.value), plain_cut(name_of_import(slot), 320));
    if (!manifest.fixups.empty())
        text += "references that depend on both base addresses\n";
    for (const package::Fixup& fixup : manifest.fixups)
        text += fmt::format("  {:<10}  {:<16}  {}\n", hex(fixup.source.value), package::name_of(fixup.kind),
                            disassembler.target_name(fixup));
    if (manifest.guarded)
        text += fmt::format("control-flow guard lets calls lead to {} of the package and {} more of the baseline\n",
                            counted(manifest.call_targets.size(), "function"), manifest.baseline_call_targets.size());
    text += counted(package.relocations().size(), "relocation") + ", " +
            counted(package.runtime_functions().size(), "record") + " of unwind data\n";
    text += counted(manifest.functions.size(), "function") + " redirected\n";
    ShownCode code(disassembler);
    for (const Replacement& function : manifest.functions)
        text += function_text(function, *isa::isa_for(manifest.machine), disassembler, code, output);
    return text;
}

Json code_json(const std::vector<Line>& lines) {
    Json json = Json::array();
    for (const Line& line : lines)
        json.push_back({{"rva", line.at.value}, {"bytes", hex(ByteView(line.bytes))}, {"text", line.text}});
    return json;
}

Json function_json(const Replacement& function, const Disassembler& disassembler, ShownCode& code) {
    Json json = {{"name", function.name},
                 {"baseline_rva", function.baseline.value},
                 {"baseline_size", function.baseline_size},
                 {"baseline_digest", function.baseline_digest.hex()},
                 {"rva", function.patch.value},
                 {"size", function.patch_size},
                 {"loops_to_entry", function.loops_to_entry},
                 {"site",
                  {{"kind", isa::name_of(function.site.kind)},
                   {"entry_size", function.site.entry_size},
                   {"displaced", function.site.displaced},
                   {"entry_bytes", hex(ByteView(function.entry_bytes))},
                   {"pad_rva", function.site.uses_pad() ? Json(function.site.pad.value) : Json(nullptr)},
                   {"pad_bytes", hex(ByteView(function.pad_bytes))}}}};
    json["site"]["code"] = code_json(disassembler.baseline_code(function.entry_bytes, function.baseline));
    const auto lines = code.of(function);
    json["code"] = lines ? code_json(*lines) : Json(nullptr);
    return json;
}

Json package_json(const Package& package, const std::string& path, std::size_t bytes) {
    const package::Manifest& manifest = package.manifest();
    const pe::HeaderIdentity& baseline = manifest.baseline;
    const Disassembler disassembler(package);
    Json json = {{"package", path},
                 {"bytes", bytes},
                 {"machine", name_of(manifest.machine)},
                 {"id", manifest.id},
                 {"sequence", manifest.sequence},
                 {"min_sequence", manifest.min_sequence},
                 {"digest", package.digest().hex()},
                 {"signed", package.certificates_size() != 0},
                 {"module", manifest.module},
                 {"guarded", manifest.guarded},
                 {"baseline",
                  {{"time_date_stamp", baseline.time_date_stamp},
                   {"checksum", baseline.checksum},
                   {"size_of_image", baseline.size_of_image},
                   {"pdb", baseline.has_pdb ? Json(pdb_text(baseline)) : Json(nullptr)},
                   {"sha256", fmt::format("{:02x}", fmt::join(manifest.baseline_sha256, ""))},
                   {"sha1", fmt::format("{:02x}", fmt::join(manifest.baseline_sha1, ""))}}}};
    json["baseline"]["sections"] = Json::array();
    for (const pe::SectionIdentity& section : manifest.sections)
        json["baseline"]["sections"].push_back(
            {{"rva", section.range.begin.value}, {"size", section.range.size}, {"digest", section.digest.hex()}});
    for (const char* list : {"sections", "functions", "fixups", "relocations", "globals", "imports", "unwind",
                             "call_targets", "baseline_call_targets"})
        json[list] = Json::array();
    for (const pe::Section& section : package.image().sections())
        json["sections"].push_back(
            {{"name", section.name}, {"rva", section.range.begin.value}, {"size", section.range.size}});
    ShownCode code(disassembler);
    for (const Replacement& function : manifest.functions)
        json["functions"].push_back(function_json(function, disassembler, code));
    for (const package::Fixup& fixup : manifest.fixups)
        json["fixups"].push_back({{"rva", fixup.source.value},
                                  {"kind", package::name_of(fixup.kind)},
                                  {"target", fixup.target.value},
                                  {"addend", fixup.addend},
                                  {"name", disassembler.target_name(fixup)}});
    for (const pe::Relocation& relocation : package.relocations())
        json["relocations"].push_back(relocation.at.value);
    for (const package::Global& global : manifest.globals)
        json["globals"].push_back({{"name", global.name}, {"rva", global.at.value}, {"size", global.size}});
    for (const pe::ImportSlot& slot : package.imports())
        json["imports"].push_back({{"rva", slot.slot.value}, {"name", name_of_import(slot)}});
    for (const pe::RuntimeFunction& entry : package.runtime_functions())
        json["unwind"].push_back(
            {{"rva", entry.range.begin.value}, {"size", entry.range.size}, {"info", entry.unwind_info.value}});
    for (const Rva target : manifest.call_targets)
        json["call_targets"].push_back(target.value);
    for (const Rva target : manifest.baseline_call_targets)
        json["baseline_call_targets"].push_back(target.value);
    return json;
}

} // namespace

int inspect(const InspectOptions& options, const Output& output) {
    const auto bytes = read_file(options.package, package::kMaxFileSize);
    if (!bytes)
        return report_error(bytes.error(), output);
    auto package = Package::parse(*bytes);
    if (!package)
        return report_error(std::move(package).error().in_image(options.package), output);
    output.text(package_text(*package, options.package, bytes->size(), output));
    if (auto written = output.json(package_json(*package, options.package, bytes->size())); !written)
        return report_error(written.error(), output);
    return exit_done;
}

} // namespace suture::cli
