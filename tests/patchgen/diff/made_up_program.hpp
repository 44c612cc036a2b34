#pragma once

#include "patchgen/program/program.hpp"
#include "tests/support/pe_builder.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <stdexcept>

namespace suture::test {

using program::Use;

/// A reference of a made-up function, to what has the label `to`.
struct Ref {
    Use use = Use::call;
    std::string to;
    std::uint32_t size = 0; ///< bytes, for reads and writes
    std::uint32_t plus = 0; ///< bytes behind the label
};

inline Ref calls(std::string to) {
    return {Use::call, std::move(to)};
}
inline Ref takes(std::string to, std::uint32_t plus = 0) {
    return {Use::address, std::move(to), 0, plus};
}
inline Ref reads(std::string to, std::uint32_t size = 4) {
    return {Use::read, std::move(to), size};
}

/// A program as Program would describe it.
class MadeUpProgram final : public program::Program {
  public:
    const std::string& path() const override { return path_; }
    const pe::Image& image() const override { return *image_; }
    ByteView file() const override { return file_; }
    std::span<const program::Function> functions() const override { return functions_; }
    std::span<const program::DataObject> data() const override { return data_; }
    std::span<const pe::ImportSlot> imports() const override { return imports_; }
    std::span<const pe::Export> exports() const override { return exports_; }
    std::span<const pe::Relocation> relocations() const override { return relocations_; }
    std::span<const pe::RuntimeFunction> runtime_functions() const override { return {}; }
    const pe::DebugInfo& debug() const override { return debug_; }
    const pe::LoadConfig& load_config() const override { return load_config_; }
    std::span<const program::Conflict> conflicts() const override { return {}; }
    std::string_view symbol_source() const override { return symbols_ ? "coff" : "image"; }
    std::span<const RvaRange> pads() const override { return pads_; }
    std::vector<std::uint32_t> inner_targets(const program::Function& function) const override {
        std::vector<std::uint32_t> result;
        for (const program::Function& other : functions_)
            for (const program::Reference& reference : other.references)
                if (function.range.contains(reference.target) && reference.target != function.range.begin)
                    result.push_back(reference.target - function.range.begin);
        std::ranges::sort(result);
        return result;
    }

  private:
    friend class ProgramMaker;
    std::string path_;
    Bytes file_;
    std::optional<pe::Image> image_;
    std::vector<program::Function> functions_;
    std::vector<program::DataObject> data_;
    std::vector<pe::ImportSlot> imports_;
    std::vector<pe::Export> exports_;
    std::vector<pe::Relocation> relocations_;
    std::vector<RvaRange> pads_;
    pe::DebugInfo debug_;
    pe::LoadConfig load_config_;
    bool symbols_ = true;
};

/// Makes a program from functions and data with labels. What comes first lies first. Labels are names of the things,
/// unless they start with '.', which makes them unnamed.
class ProgramMaker {
  public:
    bool symbols = true; ///< false: nothing has a name but exports
    std::uint32_t time_date_stamp = 0x5eed5eed;
    Machine machine = Machine::x64;
    std::uint32_t fill = 16;      ///< bytes in front of each function that follows
    bool starts_with_nop = false; ///< of two bytes: each function that follows
    bool only_returns = false;    ///< one byte of code, no references: each function that follows

    /// A function that loads `tag`, makes each reference, and returns. `aliases`: further names of the same code.
    void function(std::string label, std::uint32_t tag, std::vector<Ref> refs = {},
                  std::vector<std::string> aliases = {}) {
        functions_.push_back(
            {std::move(label), tag, std::move(refs), std::move(aliases), fill, starts_with_nop, only_returns});
    }
    void constant(std::string label, Bytes content) { add(rdata_, std::move(label), std::move(content), false); }
    void global(std::string label, Bytes content, bool size_known = false) {
        add(data_, std::move(label), std::move(content), size_known);
    }
    void text(std::string label, std::string_view text) {
        Bytes bytes;
        append_text(bytes, text);
        constant(std::move(label), std::move(bytes));
    }
    /// Read-only (or, where `writable`, writable) table of pointers to labels.
    void pointers(std::string label, std::vector<std::string> to, bool writable = false) {
        tables_.emplace_back(label, to);
        add(writable ? data_ : rdata_, std::move(label), Bytes(8 * to.size()), false);
    }
    void import(std::string dll, std::string name) { imports_.push_back({std::move(dll), std::move(name), 0, {}}); }
    /// Its label is "#" and the ordinal.
    void import(std::string dll, std::uint16_t ordinal) { imports_.push_back({std::move(dll), "", ordinal, {}}); }
    /// Its slot leads to the function `binder`.
    void delayed_import(std::string dll, std::string name, std::string binder) {
        imports_.push_back({std::move(dll), std::move(name), 0, std::move(binder)});
    }
    /// A function that may be called through pointers, says the image.
    void guarded(std::string label) { guarded_.push_back(std::move(label)); }
    /// A list of initialisers in a section of its own, as MinGW has it.
    void initialisers(std::vector<std::string> to) { initialisers_ = std::move(to); }
    void exported(std::string name) { exports_.push_back(std::move(name)); }
    /// The loader adjusts 8 bytes of code, so many behind the label.
    void relocated(std::string label, std::uint32_t offset) { relocated_.emplace_back(std::move(label), offset); }

    std::unique_ptr<const MadeUpProgram> make() {
        auto program = std::make_unique<MadeUpProgram>();
        program->path_ = "made-up.dll";
        program->symbols_ = symbols;
        PeBuilder pe;
        pe.machine = machine;
        pe.time_date_stamp = time_date_stamp;
        place_functions(*program);
        const Rva rdata_at{0x2000};
        const Rva data_at{0x3000};
        Bytes rdata = place_data(*program, rdata_, rdata_at, false);
        Bytes data = place_data(*program, data_, data_at, true);
        Bytes imports(8 * imports_.size() + 8);
        for (std::size_t i = 0; i < imports_.size(); ++i) {
            const Rva slot{0x4000 + 8 * static_cast<std::uint32_t>(i)};
            const Import& import = imports_[i];
            labels_[import.name.empty() ? "#" + std::to_string(import.ordinal) : import.name] = slot;
            program->imports_.push_back({import.dll, import.name, import.ordinal, slot, !import.binder.empty()});
            if (import.binder.empty())
                continue;
            put(imports, 8 * i, pe.image_base + at(import.binder).value);
            program->relocations_.push_back({slot, 8});
        }
        Bytes initialisers(8 * initialisers_.size());
        for (std::size_t i = 0; i < initialisers_.size(); ++i) {
            put(initialisers, 8 * i, pe.image_base + at(initialisers_[i]).value);
            program->relocations_.push_back({Rva{0x5000 + 8 * static_cast<std::uint32_t>(i)}, 8});
        }
        for (const std::string& label : guarded_)
            program->load_config_.guard_functions.push_back(at(label));
        for (const auto& [label, to] : tables_)
            for (std::uint32_t i = 0; i < to.size(); ++i) {
                const Rva field = at(label) + 8 * i;
                const bool writable = field >= data_at;
                put(writable ? data : rdata, field - (writable ? data_at : rdata_at), pe.image_base + at(to[i]).value);
                program->relocations_.push_back({field, 8});
            }
        for (const auto& [label, offset] : relocated_)
            program->relocations_.push_back({at(label) + offset, 8});
        std::ranges::sort(program->relocations_);
        for (const std::string& name : exports_)
            program->exports_.push_back({name, static_cast<std::uint32_t>(program->exports_.size() + 1), at(name), {}});
        resolve(*program);
        pe.section(".text", PeBuilder::kCode, code_);
        pe.section(".rdata", PeBuilder::kReadOnly, std::move(rdata));
        pe.section(".data", PeBuilder::kData, std::move(data));
        pe.section(".idata", PeBuilder::kReadOnly, std::move(imports));
        if (!initialisers.empty())
            pe.section(".CRT", PeBuilder::kReadOnly, std::move(initialisers));
        program->file_ = pe.file();
        auto image = pe::Image::parse(program->file_, pe::Layout::file);
        if (!image)
            throw std::runtime_error(image.error().message());
        program->image_ = std::move(*image);
        return program;
    }

    Rva at(const std::string& label) const { return labels_.at(label); }

  private:
    struct Code {
        std::string label;
        std::uint32_t tag;
        std::vector<Ref> refs;
        std::vector<std::string> aliases;
        std::uint32_t fill;
        bool starts_with_nop;
        bool only_returns;
    };
    struct Datum {
        std::string label;
        Bytes content;
        bool size_known;
    };
    struct Import {
        std::string dll;
        std::string name; ///< empty: by ordinal
        std::uint16_t ordinal;
        std::string binder; ///< of a delayed import; else empty
    };

    static void add(std::vector<Datum>& list, std::string label, Bytes content, bool size_known) {
        list.push_back({std::move(label), std::move(content), size_known});
    }

    std::vector<std::string> names_of(const std::string& label, std::vector<std::string> more = {}) const {
        if (!symbols || label.starts_with('.'))
            return {};
        more.push_back(label);
        std::ranges::sort(more);
        return more;
    }

    void place_functions(MadeUpProgram& program) {
        code_.clear();
        for (const Code& code : functions_) {
            code_.insert(code_.end(), code.fill, 0xcc);
            const Rva entry{0x1000 + static_cast<std::uint32_t>(code_.size())};
            labels_[code.label] = entry;
            if (code.fill != 0)
                program.pads_.push_back({entry - code.fill, code.fill});
            program::Function function;
            function.range.begin = entry;
            function.names = names_of(code.label, code.aliases);
            std::vector<std::uint32_t> instructions{0};
            if (code.starts_with_nop) {
                code_.insert(code_.end(), {0x66, 0x90}); // xchg ax, ax
                instructions.push_back(2);
            }
            if (!code.only_returns) {
                code_.push_back(0xb8); // mov eax, imm32
                append(code_, code.tag);
            }
            for (const Ref& ref : code.refs) {
                program::Reference reference;
                reference.instruction = 0x1000 + static_cast<std::uint32_t>(code_.size()) - entry.value;
                instructions.push_back(reference.instruction);
                if (ref.use == Use::call)
                    code_.push_back(0xe8); // call rel32
                else if (ref.use == Use::jump)
                    code_.insert(code_.end(), {0x0f, 0x84}); // je rel32
                else
                    code_.insert(code_.end(),
                                 {0x48, static_cast<std::uint8_t>(ref.use == Use::read ? 0x8b : 0x8d), 0x05});
                reference.offset = 0x1000 + static_cast<std::uint32_t>(code_.size()) - entry.value;
                reference.kind = ref.use == Use::call || ref.use == Use::jump ? program::ReferenceKind::branch
                                                                              : program::ReferenceKind::rip_relative;
                reference.use = ref.use;
                reference.access_size = ref.size;
                function.references.push_back(reference);
                append(code_, std::uint32_t{0});
            }
            if (!code.only_returns)
                instructions.push_back(0x1000 + static_cast<std::uint32_t>(code_.size()) - entry.value);
            code_.push_back(0xc3);
            function.range.size = 0x1000 + static_cast<std::uint32_t>(code_.size()) - entry.value;
            function.instructions = program::InstructionStarts(instructions);
            program.functions_.push_back(std::move(function));
        }
        code_.insert(code_.end(), 16, 0xcc);
    }

    Bytes place_data(MadeUpProgram& program, const std::vector<Datum>& list, Rva begin, bool writable) {
        Bytes bytes;
        for (const Datum& datum : list) {
            const Rva at = begin + static_cast<std::uint32_t>(bytes.size());
            labels_[datum.label] = at;
            bytes.insert(bytes.end(), datum.content.begin(), datum.content.end());
            program.data_.push_back({{at, static_cast<std::uint32_t>(datum.content.size())},
                                     names_of(datum.label),
                                     datum.size_known,
                                     writable});
        }
        bytes.resize(std::max<std::size_t>(bytes.size(), 1));
        return bytes;
    }

    void resolve(MadeUpProgram& program) {
        for (std::size_t i = 0; i < functions_.size(); ++i)
            for (std::size_t j = 0; j < functions_[i].refs.size(); ++j) {
                program::Function& function = program.functions_[i];
                program::Reference& reference = function.references[j];
                reference.target = at(functions_[i].refs[j].to) + functions_[i].refs[j].plus;
                const Rva field = function.range.begin + reference.offset;
                put(code_, field.value - 0x1000, reference.target.value - field.value - 4);
            }
    }

    std::vector<Code> functions_;
    std::vector<Datum> rdata_;
    std::vector<Datum> data_;
    std::vector<std::pair<std::string, std::vector<std::string>>> tables_;
    std::vector<Import> imports_;
    std::vector<std::string> exports_;
    std::vector<std::pair<std::string, std::uint32_t>> relocated_;
    std::vector<std::string> guarded_;
    std::vector<std::string> initialisers_;
    std::map<std::string, Rva> labels_;
    Bytes code_;
};

} // namespace suture::test
