#include "patchgen/cli/html/call_graph.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace suture::cli {

namespace {

using program::Function;
using program::Program;

/// Whether a function refers to another by a call or jump, or by its address alone.
using Links = std::map<std::pair<Rva, Rva>, bool>;

/// All references between functions of which at least one is in `of`; entries of both.
Links links_of(const Program& program, const std::set<Rva>& of) {
    Links links;
    for (const Function& function : program.functions()) {
        const bool from_one = of.contains(function.range.begin);
        for (const program::Reference& reference : function.references) {
            if (function.range.contains(reference.target))
                continue;
            const Function* other = program.function_at(reference.target);
            if (!other || (!from_one && !of.contains(other->range.begin)))
                continue;
            bool& call = links[{function.range.begin, other->range.begin}];
            call = call || program::is_branch(reference.kind);
        }
    }
    return links;
}

class Builder {
  public:
    explicit Builder(const Report& report) : report_(report) {}

    CallGraph run(const Program& baseline, const Program& updated) {
        for (const bool removed : {false, true})
            add(removed ? baseline : updated, removed);
        std::sort(graph_.edges.begin(), graph_.edges.end());
        return std::move(graph_);
    }

  private:
    static std::optional<Rva> entry_of(const diff::Change& change, bool removed) {
        return removed ? (change.updated_rva ? std::nullopt : change.baseline_rva) : change.updated_rva;
    }

    /// The functions of one program: of the updated one, and of the baseline those that were removed.
    void add(const Program& program, bool removed) {
        std::map<Rva, std::uint32_t> nodes;
        std::set<Rva> changed;
        for (std::size_t i = 0; i < report_.changes.size(); ++i)
            if (const auto entry = entry_of(report_.changes[i].change, removed);
                entry && changed.insert(*entry).second) {
                nodes.emplace(*entry, static_cast<std::uint32_t>(graph_.nodes.size()));
                graph_.nodes.push_back({report_.changes[i].change.name, *entry, i, 0});
            }
        if (changed.empty())
            return;
        const Links links = links_of(program, changed);
        for (const Rva neighbour : shown_neighbours(links, changed, nodes)) {
            nodes.emplace(neighbour, static_cast<std::uint32_t>(graph_.nodes.size()));
            graph_.nodes.push_back({program.function_at(neighbour)->display_name(), neighbour, std::nullopt, 0});
        }
        for (const auto& [ends, call] : links) {
            const auto from = nodes.find(ends.first);
            const auto to = nodes.find(ends.second);
            if (from != nodes.end() && to != nodes.end())
                graph_.edges.push_back({from->second, to->second, call});
            else if (to != nodes.end())
                ++graph_.nodes[to->second].more_callers;
        }
    }

    /// Neighbours of several changed functions, and of the others as many as can be looked at, ascending.
    std::set<Rva> shown_neighbours(const Links& links, const std::set<Rva>& changed,
                                   const std::map<Rva, std::uint32_t>& nodes) const {
        std::map<Rva, std::set<Rva>> touched; // neighbour to changed functions
        for (const auto& [ends, call] : links) {
            if (!changed.contains(ends.first))
                touched[ends.first].insert(ends.second);
            if (!changed.contains(ends.second))
                touched[ends.second].insert(ends.first);
        }
        std::set<Rva> shown;
        std::map<std::pair<Rva, bool>, std::size_t> counts; // by changed function, and whether it is called
        for (const auto& [ends, call] : links) {
            const bool called = changed.contains(ends.second);
            const Rva neighbour = called ? ends.first : ends.second;
            if (nodes.contains(neighbour) || shown.contains(neighbour))
                continue;
            if (touched.at(neighbour).size() > 1 ||
                counts[{called ? ends.second : ends.first, called}]++ < kMaxNeighbours)
                shown.insert(neighbour);
        }
        return shown;
    }

    const Report& report_;
    CallGraph graph_;
};

} // namespace

CallGraph call_graph_of(const Report& report, const Program& baseline, const Program& updated) {
    return Builder(report).run(baseline, updated);
}

} // namespace suture::cli
