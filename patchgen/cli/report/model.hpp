#pragma once

#include "patchgen/diff/change_set.hpp"
#include "patchgen/prove/prove.hpp"

namespace suture::cli {

/// What came of `patchgen create`.
struct Outcome {
    enum class Kind { package, no_change, refused };
    Kind kind = Kind::no_change;
    std::string package; ///< path; empty where none was written
    std::size_t bytes = 0;
    std::optional<prove::Proof> proof;
    std::vector<Error> reasons; ///< where refused
};

struct ReportedImage {
    std::string path;
    std::uint32_t time_date_stamp = 0;
    std::uint32_t checksum = 0;
    std::uint32_t size_of_image = 0;
    std::size_t file_size = 0;      ///< bytes
    std::string pdb;                ///< "<GUID>/<age>"; empty where the image names none
    std::string_view symbol_source; ///< "pdb", "coff" or "image"
};

struct ReportedChange {
    diff::Change change;
    std::uint32_t baseline_size = 0; ///< bytes; 0 where the baseline has no such function
    /// What else differs, for people: the first instruction that does, and which strings, functions and imports it
    /// refers to now and did not, and the other way round.
    std::vector<std::string> facts;
};

/// What sources disagree on in one of the images.
struct ReportedConflict {
    std::string_view image; ///< "baseline" or "updated"
    program::Conflict conflict;
};

/// Everything that is told of one run of `patchgen create`. Terminal, JSON and page show this, and nothing else.
struct Report {
    Machine machine = Machine::x64;
    ReportedImage baseline;
    ReportedImage updated;
    diff::Counts counts;
    std::vector<ReportedChange> changes; ///< in the order of the comparison
    std::vector<Error> allowed;          ///< what would be reasons to refuse, but was allowed
    std::vector<ReportedConflict> conflicts;
    Outcome outcome;
};

Report make_report(const program::Program& baseline, const program::Program& updated, const diff::ChangeSet& changes,
                   Outcome outcome);

/// "package", "no-change", "refused"
std::string_view name_of(Outcome::Kind kind);
/// What is written at a site of this kind, and whether threads are stopped for it: half a sentence.
std::string_view explain(isa::SiteKind kind);
/// "412 references and 1,024 bytes of data of 34 functions"
std::string proof_text(const prove::Proof& proof);

} // namespace suture::cli
