#pragma once

#include "engine/isa/isa.hpp"
#include "patchgen/program/handler_data.hpp"

#include <map>
#include <variant>

namespace suture::diff {

/// What is done about a function of the updated image that is not equal to one of the baseline.
enum class Verdict : std::uint8_t {
    replaced, ///< the baseline function will be redirected to the updated one's code
    added,    ///< goes into the package, reached only from replaced and added functions
    refused,  ///< cannot be hotpatched: see `reason`
};

std::string_view name_of(Verdict verdict);

/// Where a reference of an emitted function must lead when the package lies over the baseline.
struct ToBaseline { ///< code, data, import slot or header of the baseline, by address
    Rva rva;
    auto operator<=>(const ToBaseline&) const = default;
};
struct ToEmitted { ///< an emitted function (or part), at an offset from its entry
    Rva updated_entry;
    std::uint32_t offset = 0;
    auto operator<=>(const ToEmitted&) const = default;
};
struct ToData { ///< an emitted data object, at an offset
    Rva updated_object;
    std::uint32_t offset = 0;
    auto operator<=>(const ToData&) const = default;
};
struct ToNewImport { ///< an import slot of the package itself
    std::string dll;
    std::string name;
    std::uint16_t ordinal = 0;
    auto operator<=>(const ToNewImport&) const = default;
};
using Destination = std::variant<ToBaseline, ToEmitted, ToData, ToNewImport>;

/// The language-specific handler of one entry of unwind data of an emitted function. The handler itself is emitted
/// too, as is all code that its data leads to: such addresses count from the image that holds the entry.
struct EmittedHandler {
    Rva unwind_info; ///< of the entry, in the updated image
    Rva data;        ///< what the handler is given: right behind it
    Destination handler;
    program::HandlerData content;
    std::vector<Destination> destinations; ///< parallel to content.fields; those that lead to a block mean nothing
};

/// A function of the updated image whose code goes into the package.
struct EmittedFunction {
    const program::Function* updated = nullptr;
    const program::Function* baseline = nullptr; ///< set where it replaces one
    std::optional<isa::Site> site;               ///< set where it replaces one
    bool loops_to_entry = false;                 ///< of the baseline function
    /// Parallel to updated->references; that of an arm64_page21 means nothing.
    std::vector<Destination> destinations;
    /// Parallel to the targets of updated->jump_tables, flattened in order.
    std::vector<Destination> table_destinations;
    std::vector<EmittedHandler> handlers; ///< but for those that only check the stack; one may be there twice
    /// It goes on serving the baseline's code too, although nothing redirects it: a copy of a handler.
    bool serves_baseline = false;
};

/// Data of the updated image that goes into the package: new or changed read-only data, and new globals.
struct EmittedData {
    program::DataObject object;   ///< in the updated image
    std::uint32_t alignment = 16; ///< bytes; at most a page
    /// 8-byte fields of the object that hold addresses: offset in the object and destination, ascending.
    std::vector<std::pair<std::uint32_t, Destination>> pointers;
    /// 4-byte fields of the object that hold distances from a place in it.
    struct Distance {
        std::uint32_t offset = 0; ///< in the object
        std::uint32_t base = 0;   ///< what it counts from, likewise
        Destination destination;
    };
    std::vector<Distance> distances; ///< ascending
};

/// One line of the report.
struct Change {
    std::string name;
    std::optional<Rva> baseline_rva;
    std::optional<Rva> updated_rva;
    std::uint32_t size = 0; ///< bytes: of the updated function, of the baseline's where it was removed
    Verdict verdict = Verdict::replaced;
    std::optional<isa::SiteKind> site;
    std::optional<Code> reason; ///< set where refused
    std::string why;            ///< what differs, for people: "bytes differ at +0x12", "string differs", …
    std::string detail;         ///< of the refusal
};

/// Counts over whole images.
struct Counts {
    std::size_t baseline = 0, updated = 0, matched = 0, equal = 0, changed = 0, added = 0, removed = 0;
};

/// What differs between two programs, and how it will be hotpatched. Refers to both programs.
struct ChangeSet {
    Counts counts;
    std::vector<Change> changes; ///< ascending by updated RVA, then baseline RVA
    /// What would be a refusal, but is allowed by its name: ascending by place.
    std::vector<Error> allowed;
    /// Names that were to allow a change and do not: there is none, it cannot be allowed, or the name is not unique.
    std::vector<std::string> not_allowed;
    std::vector<Error> refusals; ///< reasons that concern the whole image or a function; empty: a package can be made
    std::vector<EmittedFunction> functions; ///< ascending by updated entry; empty where nothing changed
    std::vector<EmittedData> data;          ///< ascending by object
    /// Which function of the baseline is which of the updated image (entries), ascending.
    std::vector<std::pair<Rva, Rva>> matches;

    bool no_change() const { return functions.empty() && refusals.empty(); }
};

/// What may differ although it is not the package that brings it.
struct Allowances {
    /// Variables whose initial value may differ: the process keeps the value it has. The name of a data object of the
    /// updated image that no other one has, or "+0x" and its RVA in hexadecimal.
    std::vector<std::string> data_changes;
};

/// Compares two programs. Deterministic. Never fails: what cannot be decided is a refusal in the result.
ChangeSet compare(const program::Program& baseline, const program::Program& updated, const Allowances& allowances = {});

} // namespace suture::diff
