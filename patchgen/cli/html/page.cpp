#include "patchgen/cli/html/page.hpp"

#include "patchgen/cli/html/alignment.hpp"
#include "patchgen/cli/html/resources.hpp"
#include "patchgen/cli/output.hpp"
#include "patchgen/cli/plain_text.hpp"
#include "patchgen/cli/report/json.hpp"
#include "patchgen/cli/report/terminal.hpp"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>
#include <filesystem>

namespace suture::cli {

namespace {

using program::Function;
using program::Program;

std::string escaped(std::string_view text) {
    std::string result;
    for (const char byte : text)
        switch (byte) {
        case '&':
            result += "&amp;";
            break;
        case '<':
            result += "&lt;";
            break;
        case '>':
            result += "&gt;";
            break;
        case '"':
            result += "&quot;";
            break;
        case '\'':
            result += "&#39;";
            break;
        default:
            result += byte;
        }
    return result;
}

/// JSON that can stand in a script element: no character of it ends that, or begins a comment.
std::string script_data(const Json& json) {
    const std::string text = json.dump(-1, ' ', true, Json::error_handler_t::replace);
    std::string result;
    result.reserve(text.size());
    for (const char byte : text)
        if (byte == '<' || byte == '>' || byte == '&')
            result += fmt::format("\\u{:04x}", byte);
        else
            result += byte;
    return result;
}

std::array<std::uint8_t, 32> sha256(ByteView bytes) {
    std::array<std::uint8_t, 32> digest{};
    SHA256(bytes.data(), bytes.size(), digest.data());
    return digest;
}

/// "'sha256-…'": lets exactly this text run or apply.
std::string source_of(std::string_view text) {
    const auto digest = sha256({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    unsigned char base64[48] = {};
    EVP_EncodeBlock(base64, digest.data(), static_cast<int>(digest.size()));
    return fmt::format("'sha256-{}'", reinterpret_cast<const char*>(base64));
}

std::string file_name(const std::string& path) {
    return std::filesystem::path(path).filename().string();
}

/// Strings of the report, each of which may come from an image, as they can be shown. A path says where the page was
/// made, and a file's name what it is about.
void make_plain(Json& json) {
    if (json.is_string())
        json = plain(json.get_ref<const std::string&>());
    else if (json.is_array())
        for (Json& part : json)
            make_plain(part);
    else if (json.is_object())
        for (auto& [key, part] : json.items()) {
            if ((key == "path" || key == "image" || key == "package") && part.is_string())
                part = file_name(part.get<std::string>());
            make_plain(part);
        }
}

class Page {
  public:
    Page(const Report& report, const Program& baseline, const Program& updated, const diff::ChangeSet& changes)
        : report_(report), baseline_(baseline), updated_(updated), counterparts_(baseline, updated, changes) {}

    std::string run() {
        Json data = report_json(report_);
        for (const auto& [which, program] : {std::pair{"baseline", &baseline_}, std::pair{"updated", &updated_}})
            data["images"][which]["sha256"] = fmt::format("{:02x}", fmt::join(sha256(program->file()), ""));
        add_texts(data);
        for (std::size_t i = 0; i < report_.changes.size(); ++i)
            data["changes"][i]["code"] = code(report_.changes[i].change);
        data["graph"] = graph();
        make_plain(data);
        return document(data);
    }

  private:
    /// The sentences that the page shows with codes and kinds of sites.
    static void add_texts(Json& data) {
        Json codes = Json::object();
        for (const auto& list : {data["changes"], data["reasons"]})
            for (const Json& entry : list) {
                const Json& code = entry.contains("code") ? entry["code"] : entry["reason"];
                if (!code.is_string())
                    continue;
                const auto& all = all_codes();
                const auto found = std::ranges::find_if(all, [&](const CodeInfo& info) { return code == info.text; });
                codes[std::string(found->text)] = {{"what", found->what}, {"todo", found->todo}};
            }
        data["codes"] = std::move(codes);
        for (const isa::SiteKind kind :
             {isa::SiteKind::x64_padded, isa::SiteKind::x64_cave, isa::SiteKind::x64_prologue, isa::SiteKind::x64_tail,
              isa::SiteKind::arm64_branch})
            data["sites"][std::string(isa::name_of(kind))] = explain(kind);
    }

    static Json line_json(const CodeLine& line) {
        Json json = {line.offset, line.text, line.note};
        if (line.function)
            json.push_back(line.function->value);
        return json;
    }

    /// Rows: [kind, baseline line, updated line]; in equal rows that read the same, the baseline's offset alone.
    Json code(const diff::Change& change) {
        const auto lines_of = [](const Names& names, const std::optional<Rva>& entry) {
            const Function* function = entry ? names.program().function_at(*entry) : nullptr;
            return function ? code_of(names, *function) : std::vector<CodeLine>();
        };
        if (lines_ >= kMaxPageLines)
            return nullptr;
        const auto before = lines_of(Names(baseline_, nullptr), change.baseline_rva);
        const auto after = lines_of(Names(updated_, &counterparts_), change.updated_rva);
        lines_ += before.size() + after.size();
        if (lines_ > kMaxPageLines)
            return nullptr;
        Json rows = Json::array();
        for (const AlignedRow& row : align(before, after)) {
            Json old_line = row.baseline ? line_json(before[*row.baseline]) : Json(nullptr);
            Json new_line = row.updated ? line_json(after[*row.updated]) : Json(nullptr);
            if (row.kind == AlignedRow::Kind::equal && old_line[1] == new_line[1] && old_line[2] == new_line[2])
                old_line = old_line[0];
            rows.push_back({static_cast<int>(row.kind), std::move(old_line), std::move(new_line)});
        }
        return rows;
    }

    Json graph() const {
        const CallGraph graph = call_graph_of(report_, baseline_, updated_);
        Json json = {{"nodes", Json::array()}, {"edges", Json::array()}};
        for (const CallGraph::Node& node : graph.nodes)
            json["nodes"].push_back({{"name", node.name},
                                     {"rva", node.rva.value},
                                     {"change", node.change ? Json(*node.change) : Json(nullptr)},
                                     {"more", node.more_callers}});
        for (const CallGraph::Edge& edge : graph.edges)
            json["edges"].push_back({edge.from, edge.to, edge.call ? 1 : 0});
        return json;
    }

    std::string document(const Json& data) const {
        OutputOptions text_options;
        text_options.verbose = true;
        const std::string name = plain(file_name(report_.baseline.path));
        Report report = report_;
        report.outcome.package = file_name(report.outcome.package);
        return fmt::format(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src {}; script-src {}; "
            "base-uri 'none'; form-action 'none'\">\n"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
            "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n"
            "<title>{} – hotpatch report</title>\n<style>{}</style>\n</head>\n<body>\n"
            "<noscript><pre>{}</pre></noscript>\n<div id=\"app\"></div>\n"
            "<script type=\"application/json\" id=\"data\">{}</script>\n<script>{}</script>\n</body>\n</html>\n",
            source_of(page_style()), source_of(page_code()), escaped(name), page_style(),
            escaped(report_text(report, Output(text_options, false))), script_data(data), page_code());
    }

    const Report& report_;
    const Program& baseline_;
    const Program& updated_;
    Counterparts counterparts_;
    std::size_t lines_ = 0;
};

} // namespace

std::string page_of(const Report& report, const Program& baseline, const Program& updated,
                    const diff::ChangeSet& changes) {
    return Page(report, baseline, updated, changes).run();
}

} // namespace suture::cli
