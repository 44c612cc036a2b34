#include "engine/patch/import_resolution.hpp"

#include "engine/pe/exports.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

namespace suture::patch {

namespace {

// Windows' own forwarder chains are two deep.
constexpr int kMaxForwarders = 8;

struct Symbol {
    std::string dll;
    std::string name; ///< empty where by ordinal
    std::uint32_t ordinal = 0;

    std::string text() const { return name.empty() ? fmt::format("{}#{}", dll, ordinal) : dll + "!" + name; }
};

class Resolver {
  public:
    explicit Resolver(target::Target& target) : target_(target) {}

    Result<Va> find(Symbol symbol) {
        const std::string wanted = symbol.text();
        for (int hop = 0; hop < kMaxForwarders; ++hop) {
            const auto module = target::find_module(target_, symbol.dll);
            if (!module)
                return fail(unavailable(wanted, fmt::format("{} is not loaded", symbol.dll)));
            SUTURE_TRY(const auto* exports, exports_of(*module));
            const auto found = std::ranges::find_if(*exports, [&](const pe::Export& one) {
                return symbol.name.empty() ? one.ordinal == symbol.ordinal : one.name == symbol.name;
            });
            if (found == exports->end())
                return fail(unavailable(wanted, fmt::format("{} does not export it", module->name)));
            if (found->forwarder.empty()) {
                if (std::ranges::find(providers_, module->range, &target::Module::range) == providers_.end())
                    providers_.push_back(*module);
                return module->range.begin + found->rva.value;
            }
            const std::size_t dot = found->forwarder.rfind('.');
            if (dot == std::string::npos)
                return fail(unavailable(wanted, "its forwarder is malformed"));
            symbol = forwarded(found->forwarder, dot);
        }
        return fail(unavailable(wanted, "its forwarders do not end"));
    }

    std::vector<target::Module> take_providers() { return std::move(providers_); }

  private:
    static Error unavailable(const std::string& wanted, std::string why) {
        return Error(Code::import_unavailable, fmt::format("{}: {}", wanted, why));
    }

    static Symbol forwarded(const std::string& forwarder, std::size_t dot) {
        Symbol symbol{forwarder.substr(0, dot) + ".dll", forwarder.substr(dot + 1)};
        if (symbol.name.starts_with('#')) {
            std::from_chars(symbol.name.data() + 1, symbol.name.data() + symbol.name.size(), symbol.ordinal);
            symbol.name.clear();
        }
        return symbol;
    }

    Result<const std::vector<pe::Export>*> exports_of(const target::Module& module) {
        const auto known = exports_.find(module.range.begin);
        if (known != exports_.end())
            return &known->second;
        SUTURE_TRY(const auto snapshot, Snapshot::take(target_, module));
        SUTURE_TRY(auto exports, pe::exports_of(snapshot->image()));
        return &exports_.emplace(module.range.begin, std::move(exports)).first->second;
    }

    target::Target& target_;
    std::map<Va, std::vector<pe::Export>> exports_;
    std::vector<target::Module> providers_;
};

} // namespace

Result<ResolvedImports> resolve_imports(target::Target& target, const package::Package& package) {
    Resolver resolver(target);
    ResolvedImports resolved;
    for (const pe::ImportSlot& slot : package.imports()) {
        SUTURE_TRY(const Va address, resolver.find({slot.dll, slot.name, slot.ordinal}));
        resolved.slots.push_back({slot.slot, address});
    }
    resolved.providers = resolver.take_providers();
    return resolved;
}

} // namespace suture::patch
