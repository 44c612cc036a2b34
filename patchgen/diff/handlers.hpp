#pragma once

#include "patchgen/program/program.hpp"

namespace suture::diff {

/// An entry of unwind data with a language-specific handler.
struct HandlerEntry {
    pe::RuntimeFunction function;
    Rva handler;
    Rva data; ///< what it is given
};

/// Those of a function, but for handlers that only check the stack: ascending by the code that they cover.
std::vector<HandlerEntry> handlers_of(const program::Program& program, const program::Function& function);

/// Entries of functions that exceptions in another function lead to, as far as the data of its handlers is understood.
class HandlerTargets {
  public:
    explicit HandlerTargets(const program::Program& program);

    /// Of a function by its index: in the order of the data.
    std::span<const Rva> of(std::uint32_t function) const { return targets_of(all_, function); }
    /// Only those that share tables with the function, so that neither can be replaced alone.
    std::span<const Rva> tied_to(std::uint32_t function) const { return targets_of(tied_, function); }

  private:
    using Targets = std::vector<std::pair<std::uint32_t, std::vector<Rva>>>; ///< ascending; those that have any
    static std::span<const Rva> targets_of(const Targets& targets, std::uint32_t function);

    Targets all_;
    Targets tied_;
};

} // namespace suture::diff
