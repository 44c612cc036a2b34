#pragma once

#include "patchgen/program/program.hpp"

namespace suture::program {

/// How a language-specific handler reads the data behind the unwind data that names it.
enum class HandlerForm : std::uint8_t {
    unknown,
    scopes,          ///< __C_specific_handler: scopes of __try blocks
    frame_handler_3, ///< __CxxFrameHandler3: RVA of a FuncInfo
    lsda,            ///< GCC's personalities: a language-specific data area
};

/// Known by the name of the handler, or of the import that it does nothing but jump to; without names, GCC's for C++
/// by what it does.
HandlerForm form_of_handler(const Program& program, Rva handler);

/// An address in such data.
struct HandlerField {
    enum class Kind : std::uint8_t {
        code,     ///< RVA of code
        code_end, ///< RVA of the byte behind the last one of some code
        block,    ///< RVA of one of the blocks
        distance, ///< 4 bytes, from the field to one of the blocks
        known,    ///< 4 bytes, from the field to data that the image's runtime fills in when it starts
        pointer,  ///< 8 bytes with a base relocation: of a description of a type
    };
    Rva at;
    Kind kind = Kind::code;
    Rva target;

    auto operator<=>(const HandlerField&) const = default;
};

/// Everything that a handler reads of one function's exception data.
struct HandlerData {
    std::vector<RvaRange> blocks;     ///< ascending, not overlapping; one begins right behind the unwind data
    std::vector<HandlerField> fields; ///< ascending, each in a block
    bool operator==(const HandlerData&) const = default;
};

/// Reads the data at `data` of the handler of `entry`, of no more than `left` fields, which it takes from that. Error:
/// exception_handler, with what is not understood of it.
Result<HandlerData> handler_data_of(const Program& program, HandlerForm form, const pe::RuntimeFunction& entry,
                                    Rva data, std::uint64_t& left);

} // namespace suture::program
