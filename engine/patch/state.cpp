#include "engine/patch/state.hpp"

#include <fmt/format.h>

#include <map>

namespace suture::patch {

namespace {

/// By name; null where several have it.
std::map<Digest, const LedgerGlobal*> named_globals(const LedgerVersion& version) {
    std::map<Digest, const LedgerGlobal*> named;
    for (const LedgerGlobal& global : version.globals)
        if (global.has_name())
            if (const auto [place, fresh] = named.emplace(global.name_digest, &global); !fresh)
                place->second = nullptr;
    return named;
}

const LedgerGlobal* find(const std::map<Digest, const LedgerGlobal*>& named, const LedgerGlobal& global) {
    const auto found = named.find(global.name_digest);
    return found == named.end() ? nullptr : found->second;
}

} // namespace

std::string_view name_of(StateNote::What what) {
    switch (what) {
    case StateNote::What::kept:
        return "kept";
    case StateNote::What::resized:
        return "resized";
    case StateNote::What::begins:
        return "begins";
    case StateNote::What::left:
        return "left";
    }
    return "unknown";
}

StateTransfer transfer_between(const Ledger& ledger, std::uint32_t from, std::uint32_t to) {
    using enum StateNote::What;
    StateTransfer transfer;
    const LedgerVersion* const before = ledger.version(from);
    const LedgerVersion* const after = ledger.version(to);
    if (!before || !after)
        return transfer;
    const auto note = [&](const LedgerGlobal& global, StateNote::What what) {
        transfer.notes.push_back({ledger.module, global.name, global.size, what});
    };
    const auto old_ones = named_globals(*before);
    const auto new_ones = named_globals(*after);
    for (const LedgerGlobal& global : after->globals) {
        const LedgerGlobal* const old = find(new_ones, global) ? find(old_ones, global) : nullptr;
        if (!old) {
            note(global, begins);
        } else if (old->size != global.size) {
            note(global, resized);
        } else {
            note(global, kept);
            transfer.copies.push_back(
                {{before->image.begin + old->at.value, old->size}, after->image.begin + global.at.value});
        }
    }
    for (const LedgerGlobal& global : before->globals)
        if (!find(old_ones, global) || !find(new_ones, global))
            note(global, left);
    return transfer;
}

Result<void> carry_over(target::Target& target, target::Stop& stop, const StateTransfer& transfer) {
    for (const StateTransfer::Copy& copy : transfer.copies) {
        SUTURE_TRY(const Bytes value, target::read_bytes(target, copy.from.begin, copy.from.size));
        SUTURE_CHECK(stop.write_code(copy.to, value));
    }
    return {};
}

void forbid_version(std::vector<Forbidden>& forbidden, const Ledger& ledger, std::uint32_t sequence) {
    const LedgerVersion* const version = ledger.version(sequence);
    if (!version)
        return;
    for (const LedgerPages& pages : version->pages)
        if (pages.protection == target::Protection::read_execute)
            forbidden.push_back({pages.range, fmt::format("the code of sequence {} of {}", sequence, ledger.module)});
}

} // namespace suture::patch
