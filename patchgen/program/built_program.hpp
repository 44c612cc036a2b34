#pragma once

#include "patchgen/program/address_words.hpp"
#include "patchgen/program/code.hpp"
#include "patchgen/program/parse.hpp"
#include "patchgen/program/runtime_relocations.hpp"
#include "patchgen/program/rva_index.hpp"

namespace suture::program {

/// The one implementation of Program: fields are filled by parse(), in the order in which they stand.
class BuiltProgram final : public Program {
  public:
    BuiltProgram(std::string path, Bytes file, const pe::Image& image)
        : path_(std::move(path)), file_(std::move(file)), image_(image) {}

    const std::string& path() const override { return path_; }
    const pe::Image& image() const override { return image_; }
    ByteView file() const override { return file_; }
    std::span<const Function> functions() const override { return functions_; }
    std::span<const DataObject> data() const override { return data_; }
    std::span<const pe::ImportSlot> imports() const override { return imports_; }
    std::span<const pe::Export> exports() const override { return exports_; }
    std::span<const pe::Relocation> relocations() const override { return relocations_; }
    std::span<const pe::RuntimeFunction> runtime_functions() const override { return runtime_functions_; }
    const pe::DebugInfo& debug() const override { return debug_; }
    const pe::LoadConfig& load_config() const override { return load_config_; }
    std::span<const AddressWord> address_words() const override { return words_.words; }
    std::span<const RvaRange> runtime_fields() const override { return runtime_fields_; }
    std::span<const Conflict> conflicts() const override { return conflicts_; }
    std::string_view symbol_source() const override;
    const Types* types() const override { return symbols_ ? symbols_->types.get() : nullptr; }
    std::span<const RvaRange> pads() const override { return pads_; }
    std::vector<std::uint32_t> inner_targets(const Function& function) const override;
    bool is_referred_to(RvaRange range) const override;
    std::size_t functions_up_to(Rva rva) const override { return function_index_.up_to(rva); }
    std::size_t data_up_to(Rva rva) const override { return data_index_.up_to(rva); }

    /// Fills everything. Errors: those of engine/pe, image_unsupported, pe_machine_unsupported, symbols_*.
    Result<void> build(const std::optional<Bytes>& symbol_file, bool use_symbols);

  private:
    Result<void> read_directories();
    Result<void> refuse_what_is_not_understood() const;
    Result<void> read_symbols(const std::optional<Bytes>& symbol_file, bool use_symbols);
    void build_functions();
    void build_words(AddressWords of_handlers, std::span<const Rva> landmarks);
    bool add_orphans(std::vector<std::size_t>& indices);
    void build_targets();
    void build_data();
    void build_pads();
    void add_possible_branches(std::size_t index);
    void add_pad(RvaRange gap);
    bool is_part(std::size_t whole, std::size_t part) const;
    void attach_names();

    std::string path_;
    Bytes file_;
    pe::Image image_; ///< shows file_
    std::vector<pe::ImportSlot> imports_;
    std::vector<pe::Export> exports_;
    std::vector<pe::Relocation> relocations_;
    std::vector<RvaRange> runtime_fields_;
    std::vector<pe::RuntimeFunction> runtime_functions_;
    pe::DebugInfo debug_;
    pe::LoadConfig load_config_;
    std::vector<Rva> entry_points_;
    std::vector<Rva> exception_targets_; ///< what the data of exception handlers leads to, ascending
    std::optional<Symbols> symbols_;
    std::vector<Conflict> conflicts_;
    std::vector<UnwindPart> parts_;
    std::vector<Rva> pointers_; ///< what relocated fields outside code hold, ascending
    CodeMap code_;              ///< parallel to functions_; its instructions and references have moved there
    std::vector<Function> functions_;
    RvaIndex function_index_;
    AddressWords words_;
    std::vector<Rva> targets_; ///< every address that something leads or refers to, ascending
    std::vector<DataObject> data_;
    RvaIndex data_index_;
    std::vector<RvaRange> pads_;
};

} // namespace suture::program
