#pragma once

#include "patchgen/cli/disassembly/names.hpp"
#include "patchgen/cli/report/model.hpp"

namespace suture::cli {

/// The changed functions with who calls them and whom they call, one step around.
struct CallGraph {
    struct Node {
        std::string name;
        Rva rva;                           ///< in the updated image; in the baseline where it was removed
        std::optional<std::size_t> change; ///< index into Report::changes; a neighbour otherwise
        std::size_t more_callers = 0;      ///< of a changed function: those that are no nodes, since there are too many
    };
    struct Edge {
        std::uint32_t from = 0; ///< index of a node
        std::uint32_t to = 0;
        bool call = false; ///< by a direct call or jump; otherwise its address is taken

        auto operator<=>(const Edge&) const = default;
    };
    std::vector<Node> nodes; ///< changed ones first, in the order of the report; then neighbours by RVA
    std::vector<Edge> edges; ///< ascending; at least one end is a changed function
};

/// Most callers, and most callees, of one function that are nodes where only that function has them for neighbours.
constexpr std::size_t kMaxNeighbours = 24;

CallGraph call_graph_of(const Report& report, const program::Program& baseline, const program::Program& updated);

} // namespace suture::cli
