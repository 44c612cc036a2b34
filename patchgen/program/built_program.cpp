#include "patchgen/program/built_program.hpp"

#include "engine/pe/limits.hpp"
#include "engine/pe/pointer.hpp"
#include "engine/pe/tls.hpp"
#include "patchgen/program/coff_symbols.hpp"
#include "patchgen/program/data_objects.hpp"
#include "patchgen/program/exception_data.hpp"
#include "patchgen/program/linker_data.hpp"
#include "patchgen/program/machine_code.hpp"
#include "patchgen/program/orphans.hpp"
#include "patchgen/program/pdb_symbols.hpp"
#include "patchgen/program/sole_jumpers.hpp"
#include "patchgen/program/type_information.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <numeric>

namespace suture::program {

std::string_view BuiltProgram::symbol_source() const {
    if (!symbols_ || symbols_->list.empty())
        return "image";
    return symbols_->source == Source::pdb ? "pdb" : "coff";
}

std::vector<std::uint32_t> BuiltProgram::inner_targets(const Function& function) const {
    std::vector<std::uint32_t> offsets;
    const auto first = std::ranges::upper_bound(targets_, function.range.begin);
    for (auto at = first; at != targets_.end() && function.range.contains(*at); ++at)
        offsets.push_back(*at - function.range.begin);
    return offsets;
}

bool BuiltProgram::is_referred_to(RvaRange range) const {
    const auto target = std::ranges::lower_bound(targets_, range.begin);
    return target != targets_.end() && range.contains(*target);
}

Result<void> BuiltProgram::build(const std::optional<Bytes>& symbol_file, bool use_symbols) {
    SUTURE_CHECK(read_directories());
    SUTURE_CHECK(refuse_what_is_not_understood());
    SUTURE_CHECK(read_symbols(symbol_file, use_symbols));
    build_functions();
    build_targets();
    build_data();
    build_pads();
    std::ranges::stable_sort(conflicts_, {}, &Conflict::at);
    // What only building needs.
    code_ = {};
    parts_ = {};
    pointers_ = {};
    exception_targets_ = {};
    entry_points_ = {};
    return {};
}

Result<void> BuiltProgram::read_directories() {
    SUTURE_TRY(imports_, pe::imports_of(image_));
    SUTURE_TRY(exports_, pe::exports_of(image_));
    SUTURE_TRY(relocations_, pe::relocations_of(image_));
    SUTURE_TRY(debug_, pe::debug_info_of(image_));
    SUTURE_TRY(load_config_, pe::load_config_of(image_));
    SUTURE_TRY(const auto tls, pe::tls_of(image_));
    SUTURE_TRY(runtime_functions_, pe::runtime_functions_of(image_));
    if (image_.entry_point().value != 0)
        entry_points_.push_back(image_.entry_point());
    entry_points_.insert(entry_points_.end(), tls.callbacks.begin(), tls.callbacks.end());
    return {};
}

Result<void> BuiltProgram::refuse_what_is_not_understood() const {
    if (image_.directory(pe::Directory::clr).size != 0)
        return fail(Code::image_unsupported, "it is managed: it has a CLR header");
    if (load_config_.has_chpe)
        return fail(Code::image_unsupported, "it is Arm64EC or Arm64X: it has CHPE metadata");
    bool has_code = false;
    for (const auto& section : image_.sections()) {
        if (!section.executable())
            continue;
        if (section.writable())
            return fail(
                Code::image_unsupported,
                fmt::format("it is packed or changes its own code: section {} at 0x{:x} is writable and executable",
                            section.name, section.range.begin.value));
        if (section.initialised_size() == 0 && section.range.size != 0)
            return fail(Code::image_unsupported,
                        fmt::format("it is packed: the code section {} at 0x{:x} is empty in the file", section.name,
                                    section.range.begin.value));
        has_code |= section.initialised_size() != 0;
    }
    // Images of data or forwarders alone have nothing to redirect, and say so themselves.
    const bool claims_code = image_.entry_point().value != 0 || image_.directory(pe::Directory::exceptions).size != 0;
    if (!has_code && claims_code)
        return fail(Code::image_unsupported, "it has an entry point or unwind data, but no executable section");
    return {};
}

Result<void> BuiltProgram::read_symbols(const std::optional<Bytes>& symbol_file, bool use_symbols) {
    if (!use_symbols)
        return {};
    if (!symbol_file) {
        SUTURE_TRY(symbols_, read_coff_symbols(image_));
        return {};
    }
    if (is_pdb(*symbol_file)) {
        SUTURE_TRY(symbols_, read_pdb_symbols(*symbol_file, image_, debug_));
        return {};
    }
    const auto other = pe::Image::parse(*symbol_file, pe::Layout::file);
    if (!other)
        return fail(Error(Code::symbols_unreadable, "neither a PDB nor an image").caused_by(other.error()));
    SUTURE_CHECK(check_same_build(image_, *other));
    SUTURE_TRY(symbols_, read_coff_symbols(*other));
    if (symbols_->list.empty())
        return fail(Code::symbols_unreadable, "the image named for its symbols has none");
    return {};
}

/// Whether the second function is a part of the first that the compiler put elsewhere.
bool BuiltProgram::is_part(std::size_t whole, std::size_t part) const {
    const Rva begin = code_.starts[part].begin;
    const auto unwound = std::ranges::lower_bound(parts_, begin, {}, [](const UnwindPart& p) { return p.range.begin; });
    if (unwound != parts_.end() && unwound->range.begin == begin && unwound->separated() &&
        code_.index_at(unwound->root) == whole)
        return true;
    for (const auto& name : functions_[whole].names)
        for (const auto& other : functions_[part].names)
            if (other.starts_with(name) && other.substr(name.size()).starts_with(".cold"))
                return true;
    return false;
}

void BuiltProgram::attach_names() {
    if (symbols_) {
        for (const auto& symbol : symbols_->list) {
            if (symbol.kind == SymbolKind::data || symbol.name.empty())
                continue;
            const auto function =
                std::ranges::lower_bound(functions_, symbol.at, {}, [](const Function& f) { return f.range.begin; });
            if (function != functions_.end() && function->range.begin == symbol.at)
                function->names.push_back(symbol.name);
        }
    }
    for (const auto& exported : exports_) {
        if (exported.name.empty() || !exported.forwarder.empty())
            continue;
        const auto function =
            std::ranges::lower_bound(functions_, exported.rva, {}, [](const Function& f) { return f.range.begin; });
        // Symbols name exported functions too, and with names that are never those of others.
        if (function != functions_.end() && function->range.begin == exported.rva &&
            (function->names.empty() || function->source == Source::exports))
            function->names.push_back(exported.name);
    }
    for (auto& function : functions_) {
        std::ranges::sort(function.names);
        function.names.erase(std::unique(function.names.begin(), function.names.end()), function.names.end());
    }
}

/// Adds functions that nothing is known to lead to, and tells their indices. False if there are none.
bool BuiltProgram::add_orphans(std::vector<std::size_t>& indices) {
    Orphans orphans = find_orphans(image_, relocations_, load_config_.guard_check_pointer, pointers_, code_);
    if (orphans.starts.empty())
        return false;
    code_.merge(std::move(orphans.starts), std::move(orphans.codes));
    std::vector<Function> functions(code_.starts.size());
    indices.clear();
    auto known = functions_.begin();
    for (std::size_t i = 0; i < functions.size(); ++i) {
        if (code_.starts[i].source != Source::gap) {
            functions[i] = std::move(*known++);
            continue;
        }
        functions[i].range = code_.range_of(i);
        functions[i].source = Source::gap;
        indices.push_back(i);
    }
    functions_ = std::move(functions);
    function_index_ = index_of_begins(functions_, [](const Function& f) { return f.range.begin; });
    return true;
}

void BuiltProgram::build_functions() {
    parts_ = unwind_parts_of(image_, runtime_functions_, conflicts_);
    for (const auto& relocation : relocations_) {
        const auto* section = image_.section_at(relocation.at);
        if (relocation.size != 8 || !section || section->executable())
            continue;
        if (const auto value = image_.read<std::uint64_t>(relocation.at))
            if (const auto rva = pe::rva_of(image_, *value))
                pointers_.push_back(*rva);
    }
    sort_unique(pointers_);

    ExceptionCode exceptions = exception_code_of(image_, runtime_functions_);
    entry_points_.insert(entry_points_.end(), exceptions.handlers.begin(), exceptions.handlers.end());
    const Evidence evidence{image_,
                            symbols_ ? &*symbols_ : nullptr,
                            exports_,
                            parts_,
                            load_config_.guard_functions,
                            entry_points_,
                            exceptions.perhaps};
    // Labels may be functions of assembly code, as import thunks are.
    std::vector<Rva> perhaps = pointers_;
    perhaps.insert(perhaps.end(), exceptions.perhaps.begin(), exceptions.perhaps.end());
    exception_targets_ = exceptions.perhaps;
    if (symbols_)
        for (const auto& symbol : symbols_->list)
            if (symbol.kind == SymbolKind::label)
                perhaps.push_back(symbol.at);
    code_ =
        read_code(image_, relocations_, load_config_.guard_check_pointer, find_starts(evidence, conflicts_), perhaps);

    functions_.resize(code_.starts.size());
    for (std::size_t i = 0; i < functions_.size(); ++i) {
        functions_[i].range = code_.range_of(i);
        functions_[i].source = code_.starts[i].source;
    }
    function_index_ = index_of_begins(functions_, [](const Function& f) { return f.range.begin; });
    attach_names();

    std::vector<Rva> landmarks = pointers_;
    for (const auto& code : code_.codes)
        for (const auto& reference : code.references)
            if (!is_branch(reference.kind) && has_target(reference.kind) && reference.kind != ReferenceKind::absolute)
                landmarks.push_back(reference.target);
    if (symbols_)
        for (const auto& symbol : symbols_->list)
            if (symbol.kind != SymbolKind::function)
                landmarks.push_back(symbol.at);
    sort_unique(landmarks);
    const auto read_tables = [&](std::span<const std::size_t> indices) {
        // GCC's cold parts have unwind data of their own, and may have no names. Most images have none.
        std::once_flag once;
        std::optional<SoleJumpers> jumpers;
        const auto only_jumps_to = [&](std::size_t whole, std::size_t part) {
            std::call_once(once, [&] {
                jumpers.emplace(code_, std::initializer_list<std::span<const Rva>>{pointers_, exception_targets_});
            });
            return jumpers->has(whole, part);
        };
        read_jump_tables(
            image_, relocations_, load_config_.guard_check_pointer, landmarks,
            [&](std::size_t whole, std::size_t part) { return is_part(whole, part) || only_jumps_to(whole, part); },
            indices, code_);
    };
    std::vector<std::size_t> indices(functions_.size());
    std::iota(indices.begin(), indices.end(), std::size_t{0});
    read_tables(indices);
    if (add_orphans(indices))
        read_tables(indices);
    build_words(std::move(exceptions.data), landmarks);

    for (std::size_t i = 0; i < functions_.size(); ++i) {
        auto& function = functions_[i];
        auto& code = code_.codes[i];
        function.range = code_.range_of(i);
        if (code.undecoded.empty() && code.runs_on)
            code.undecoded = fmt::format("code runs on past the end at 0x{:x}", function.range.end());
        function.decoded = code.undecoded.empty();
        function.undecoded = code.undecoded;
        function.instructions = InstructionStarts(code.instructions);
        code.instructions = {};
        function.references = std::move(code.references);
        function.page_uses = std::move(code.page_uses);
        function.jump_tables = std::move(code_.tables[i]);
    }
    // Both lists ascend, and neither overlaps itself.
    std::size_t first = 0;
    for (auto& function : functions_) {
        while (first < runtime_functions_.size() && runtime_functions_[first].range.end() <= function.range.begin.value)
            ++first;
        for (std::size_t i = first;
             i < runtime_functions_.size() && runtime_functions_[i].range.begin.value < function.range.end(); ++i)
            function.unwind.push_back(runtime_functions_[i]);
    }
}

void BuiltProgram::build_words(AddressWords of_handlers, std::span<const Rva> landmarks) {
    words_ = std::move(of_handlers);
    std::vector<AddressTable> tables;
    std::vector<Rva> taken;
    for (const auto& code : code_.codes) {
        tables.insert(tables.end(), code.address_tables.begin(), code.address_tables.end());
        for (const auto& reference : code.references)
            if (reference.use == Use::address && has_target(reference.kind))
                taken.push_back(reference.target);
    }
    std::ranges::sort(tables);
    const auto repeated = std::ranges::unique(tables);
    tables.erase(repeated.begin(), repeated.end());
    sort_unique(taken);
    words_.append(type_information_of(image_, pointers_, taken, relocations_));
    words_.append({words_of(image_, tables, landmarks), {}});
    auto at_start = runtime_relocations_of(image_, imports_);
    words_.append({{}, std::move(at_start.lists)});
    runtime_fields_ = std::move(at_start.fields);
    words_.settle();
}

void BuiltProgram::build_targets() {
    targets_ = pointers_;
    for (const AddressWord& word : words_.words)
        if (const auto target = word.base != kLastByte ? target_of(word) : std::nullopt)
            targets_.push_back(*target);
    for (const auto& function : functions_) {
        for (const auto& reference : function.references)
            if (has_target(reference.kind))
                targets_.push_back(reference.target);
        for (const auto& table : function.jump_tables)
            targets_.insert(targets_.end(), table.targets.begin(), table.targets.end());
    }
    for (std::size_t i = 0; i < functions_.size(); ++i)
        if (!functions_[i].decoded)
            add_possible_branches(i);
    for (const auto& exported : exports_)
        if (exported.forwarder.empty())
            targets_.push_back(exported.rva);
    for (const auto& entry : runtime_functions_)
        targets_.push_back(entry.range.begin);
    targets_.insert(targets_.end(), load_config_.guard_functions.begin(), load_config_.guard_functions.end());
    targets_.insert(targets_.end(), entry_points_.begin(), entry_points_.end());
    const auto scopes = unwind_targets_of(image_, runtime_functions_);
    targets_.insert(targets_.end(), scopes.begin(), scopes.end());
    targets_.insert(targets_.end(), exception_targets_.begin(), exception_targets_.end());
    sort_unique(targets_);
    targets_.shrink_to_fit();
}

/// Code that is not understood may branch to wherever its bytes could be read as a branch.
void BuiltProgram::add_possible_branches(std::size_t index) {
    const auto range = functions_[index].range;
    const auto bytes = image_.bytes_at(range.begin, range.size);
    if (!bytes)
        return;
    const auto add = [&](std::uint32_t from, std::int32_t distance) {
        const Rva target = range.begin + from + static_cast<std::uint32_t>(distance);
        if (code_end(image_, target) > target.value)
            targets_.push_back(target);
    };
    machine_code(image_.machine()).possible_branches(*bytes, code_.codes[index].stopped_at, add);
}

void BuiltProgram::build_data() {
    std::vector<RvaRange> tables, ranges;
    for (const auto& function : functions_) {
        ranges.push_back(function.range);
        for (const auto& table : function.jump_tables)
            tables.push_back(table.range());
    }
    std::vector<Rva> boundaries;
    for (const auto& entry : runtime_functions_)
        boundaries.push_back(entry.unwind_info);
    for (std::size_t i = 0; i < pe::kMaxDirectories; ++i) {
        const auto which = static_cast<pe::Directory>(i);
        const auto range = image_.directory(which);
        if (range.size == 0 || which == pe::Directory::certificates)
            continue;
        boundaries.push_back(range.begin);
        boundaries.push_back(range.begin + range.size);
    }
    sort_unique(boundaries);
    const auto linker_data = linker_data_of(image_, relocations_, boundaries);
    boundaries.insert(boundaries.end(), linker_data.begin(), linker_data.end());
    sort_unique(boundaries);
    data_ = find_data(
        {image_, symbols_ ? &*symbols_ : nullptr, targets_, tables, words_.blocks, imports_, ranges, boundaries});
    data_index_ = index_of_begins(data_, [](const DataObject& object) { return object.range.begin; });
}

void BuiltProgram::build_pads() {
    for (const auto& section : image_.sections()) {
        if (!section.executable())
            continue;
        const std::uint64_t section_end = section.range.begin.value + std::uint64_t{section.initialised_size()};
        auto next = std::ranges::lower_bound(functions_, section.range.begin, {},
                                             [](const Function& f) { return f.range.begin; });
        std::uint64_t begin = section.range.begin.value;
        bool closed = true; // nothing runs into the gap from before it
        for (;; ++next) {
            const bool last = next == functions_.end() || next->range.begin.value >= section_end;
            const std::uint64_t end = last ? section_end : next->range.begin.value;
            if (closed && end > begin)
                add_pad({Rva{static_cast<std::uint32_t>(begin)}, static_cast<std::uint32_t>(end - begin)});
            if (last)
                break;
            begin = next->range.end();
            const auto& code = code_.codes[static_cast<std::size_t>(next - functions_.begin())];
            closed = next->decoded && code.ends_in_terminator;
        }
    }
}

void BuiltProgram::add_pad(RvaRange gap) {
    const auto bytes = image_.bytes_at(gap.begin, gap.size);
    if (!bytes || !machine_code(image_.machine()).is_fill(*bytes))
        return;
    const auto target = std::ranges::lower_bound(targets_, gap.begin);
    if (target != targets_.end() && gap.contains(*target))
        return;
    const auto relocation = std::ranges::upper_bound(relocations_, gap.begin, {},
                                                     [](const pe::Relocation& r) { return r.at + (r.size - 1u); });
    const bool relocated = relocation != relocations_.end() && relocation->at.value < gap.end();
    if (!relocated && !data_at(gap.begin))
        pads_.push_back(gap);
}

Result<std::unique_ptr<const Program>> parse(Input input) {
    // The image shows bytes of the vector, which keep their place when it is moved.
    SUTURE_TRY(const auto image, pe::Image::parse(input.file, pe::Layout::file));
    auto program = std::make_unique<BuiltProgram>(std::move(input.path), std::move(input.file), image);
    SUTURE_CHECK(program->build(input.symbols, input.use_symbols));
    return program;
}

} // namespace suture::program
