#include "patchgen/program/address_words.hpp"

#include <algorithm>

namespace suture::program {

namespace {

constexpr std::uint32_t kWord = 4;
/// Most entries of one table; the largest known have some thousand.
constexpr std::uint32_t kMaxEntries = 65536;

bool ends_table(const AddressTable& table, Rva target, Rva at) {
    // A distance of nothing leads to the base itself, an RVA of nothing nowhere: there is no such entry.
    return target == table.base || target.value == 0 || (target >= table.at && target <= at);
}

} // namespace

void AddressWords::append(const AddressWords& other) {
    words.insert(words.end(), other.words.begin(), other.words.end());
    blocks.insert(blocks.end(), other.blocks.begin(), other.blocks.end());
}

void AddressWords::settle() {
    std::ranges::sort(words);
    const auto repeated = std::ranges::unique(words, {}, &AddressWord::at);
    words.erase(repeated.begin(), repeated.end());
    std::ranges::sort(blocks);
    const auto same = std::ranges::unique(blocks);
    blocks.erase(same.begin(), same.end());
}

std::vector<AddressWord> words_of(const pe::Image& image, std::span<const AddressTable> tables,
                                  std::span<const Rva> landmarks) {
    std::vector<AddressWord> words;
    for (const AddressTable& table : tables) {
        const pe::Section* section = image.section_at(table.at);
        if (!section || section->writable())
            continue;
        std::uint64_t end = section->range.end();
        if (const auto next = std::ranges::upper_bound(landmarks, table.at); next != landmarks.end())
            end = std::min<std::uint64_t>(end, next->value);
        Rva at = table.at;
        for (std::uint32_t i = 0; i < kMaxEntries && at.value + std::uint64_t{kWord} <= end; ++i, at = at + kWord) {
            const auto word = image.read<std::uint32_t>(at);
            const Rva target = table.base + word.value_or(0);
            if (!word || !image.section_at(target) || ends_table(table, target, at))
                break;
            // What an entry leads to ends the table it lies behind.
            if (target > at)
                end = std::min<std::uint64_t>(end, target.value);
            words.push_back({at, table.base});
        }
    }
    return words;
}

} // namespace suture::program
