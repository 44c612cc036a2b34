#pragma once

#include "engine/core/address.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace suture {

/// Why something was refused or failed. One code per reason; the text of each is stable, and documented in
/// docs/refusals.md. The table is engine/core/codes.def.
enum class Code : std::uint16_t {
#define SUTURE_CODE(id, text, what, todo) id,
#include "engine/core/codes.def"
#undef SUTURE_CODE
};

/// What the table says of a code.
struct CodeInfo {
    Code code;
    std::string_view text; ///< the stable kebab-case name, as in JSON: "identity-function-differs"
    std::string_view what; ///< one sentence: what was found
    std::string_view todo; ///< one sentence: what the reader can do about it
};

const CodeInfo& info_of(Code code);
std::string_view text_of(Code code);
/// All codes in the order of the table.
const std::vector<CodeInfo>& all_codes();

/// Where in the patched world something is wrong. Every part is optional.
struct Place {
    std::string image;                   ///< module name or file path
    std::optional<Rva> rva;              ///< within that image
    std::string function;                ///< name of the function, if known
    std::optional<std::uint64_t> thread; ///< OS thread id
};

/// A failure: its reason, the particulars in words, where, and what caused it.
class Error {
  public:
    /// `detail` holds the particulars of this case (found and expected values), one or a few clauses without a
    /// final full stop; the general sentence comes from the table.
    Error(Code code, std::string detail) : code_(code), detail_(std::move(detail)) {}

    Error& in_image(std::string image) & { return place_.image = std::move(image), *this; }
    Error&& in_image(std::string image) && { return std::move(in_image(std::move(image))); }
    Error& at(Rva rva) & { return place_.rva = rva, *this; }
    Error&& at(Rva rva) && { return std::move(at(rva)); }
    Error& in_function(std::string name) & { return place_.function = std::move(name), *this; }
    Error&& in_function(std::string name) && { return std::move(in_function(std::move(name))); }
    Error& in_thread(std::uint64_t tid) & { return place_.thread = tid, *this; }
    Error&& in_thread(std::uint64_t tid) && { return std::move(in_thread(tid)); }
    Error& caused_by(Error cause) & { return cause_ = std::make_shared<Error>(std::move(cause)), *this; }
    Error&& caused_by(Error cause) && { return std::move(caused_by(std::move(cause))); }

    Code code() const { return code_; }
    const std::string& detail() const { return detail_; }
    const Place& place() const { return place_; }
    const Error* cause() const { return cause_.get(); }

    /// "<code>: <sentence>: <detail> (in <image>+0x<rva>, function <name>, thread <tid>)" and the causes, one per
    /// line, without the advice.
    std::string message() const;
    /// The advice of the table for this code.
    std::string_view todo() const { return info_of(code_).todo; }

  private:
    Code code_;
    std::string detail_;
    Place place_;
    std::shared_ptr<const Error> cause_;
};

} // namespace suture
