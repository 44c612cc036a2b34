#pragma once

#include "patchgen/cli/exit_codes.hpp"
#include "patchgen/cli/output.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace suture::cli {

/// The images that a command compares, and where their symbols are.
struct ImagePair {
    std::string baseline;
    std::string updated;
    std::string baseline_symbols; ///< empty: what the image names, or its own
    std::string updated_symbols;
    bool no_symbols = false;
};

struct CreateOptions {
    ImagePair images;
    std::string package; ///< empty: "<stem>_hotpatch.<ext>" in the current folder
    std::string id;
    std::uint32_t sequence = 1;
    std::vector<std::string> data_changes; ///< variables whose initial value may differ
    std::string html;                      ///< the report as a page; empty: none
};
int create(const CreateOptions& options, const Output& output);

struct CheckOptions {
    std::string image;
    std::string symbols;
    bool no_symbols = false;
};
int check(const CheckOptions& options, const Output& output);

struct InspectOptions {
    std::string package;
};
int inspect(const InspectOptions& options, const Output& output);

struct ProveOptions {
    ImagePair images;
    std::string package;
    std::vector<std::string> data_changes; ///< variables whose initial value may differ
};
int prove(const ProveOptions& options, const Output& output);

/// Tells of an error in text, and in JSON as {"error": …}; gives `code` back.
int report_error(const Error& error, const Output& output, int code = exit_bad_input);

} // namespace suture::cli
