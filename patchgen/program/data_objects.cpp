#include "patchgen/program/data_objects.hpp"

#include <algorithm>

namespace suture::program {

namespace {

/// Something that begins at an address, before extents are settled.
struct Item {
    Rva at;
    std::uint32_t size = 0; ///< 0: unknown
    bool symbol = false;    ///< a symbol begins here: what comes before ends
    std::vector<std::string> names = {};
};

class Finder {
  public:
    explicit Finder(const DataEvidence& evidence) : evidence_(evidence) {}

    std::vector<DataObject> run() {
        add_symbols();
        for (const auto& table : evidence_.tables)
            add({table.begin, table.size, true});
        for (const auto& block : evidence_.blocks)
            if (block.size != 0)
                add({block.begin, block.size});
        for (const auto& import : evidence_.imports)
            add({import.slot, 8, true});
        for (const Rva target : evidence_.targets)
            add({target});
        join();
        return settle();
    }

  private:
    const RvaRange* function_at(Rva rva) const {
        const auto next = std::ranges::upper_bound(evidence_.functions, rva, {}, &RvaRange::begin);
        return next != evidence_.functions.begin() && std::prev(next)->contains(rva) ? &*std::prev(next) : nullptr;
    }

    void add(Item item) {
        const auto* section = evidence_.image.section_at(item.at);
        if (section && !section->discardable() && !(section->executable() && function_at(item.at)))
            items_.push_back(std::move(item));
    }

    void add_symbols() {
        if (!evidence_.symbols)
            return;
        const auto& list = evidence_.symbols->list;
        const auto& contributions = evidence_.symbols->contributions;
        for (std::size_t i = 0; i < list.size(); ++i) {
            const auto& symbol = list[i];
            if (symbol.kind == SymbolKind::function)
                continue;
            Item item{symbol.at, symbol.size, true};
            if (!symbol.name.empty())
                item.names.push_back(symbol.name);
            // An input section that holds one symbol is that symbol.
            const auto own = std::ranges::lower_bound(contributions, symbol.at, {}, &RvaRange::begin);
            if (evidence_.symbols->source == Source::pdb && own != contributions.end() && own->begin == symbol.at) {
                std::size_t next = i + 1;
                while (next < list.size() && list[next].at == symbol.at)
                    ++next;
                if (next == list.size() || !own->contains(list[next].at))
                    item.size = own->size;
            }
            add(std::move(item));
        }
        for (const auto& contribution : contributions)
            ends_.insert(ends_.end(), {contribution.begin, contribution.begin + contribution.size});
    }

    /// One item to an address.
    void join() {
        std::ranges::stable_sort(items_, {}, &Item::at);
        std::vector<Item> joined;
        for (auto& item : items_) {
            if (joined.empty() || joined.back().at != item.at) {
                joined.push_back(std::move(item));
                continue;
            }
            auto& same = joined.back();
            same.size = std::max(same.size, item.size);
            same.symbol |= item.symbol;
            std::ranges::move(item.names, std::back_inserter(same.names));
        }
        items_ = std::move(joined);
        ends_.insert(ends_.end(), evidence_.boundaries.begin(), evidence_.boundaries.end());
        std::ranges::sort(ends_);
    }

    /// Where, at the latest, an object at `at` ends without regard to other objects.
    std::uint64_t hard_end(Rva at, const pe::Section& section) const {
        std::uint64_t end = section.range.end();
        const auto boundary = std::ranges::upper_bound(ends_, at);
        if (boundary != ends_.end())
            end = std::min<std::uint64_t>(end, boundary->value);
        if (section.executable()) {
            const auto next = std::ranges::upper_bound(evidence_.functions, at, {}, &RvaRange::begin);
            if (next != evidence_.functions.end())
                end = std::min<std::uint64_t>(end, next->begin.value);
        }
        return end;
    }

    std::vector<DataObject> settle() {
        std::vector<DataObject> objects;
        for (std::size_t i = 0; i < items_.size();) {
            auto& item = items_[i];
            const auto& section = *evidence_.image.section_at(item.at);
            // In writable sections everything has a symbol, if anything has; a reference behind one leads into it.
            const bool up_to_symbol = item.size != 0 || (item.symbol && section.writable() && evidence_.symbols);
            std::uint64_t end = item.size != 0 ? std::uint64_t{item.at.value} + item.size : hard_end(item.at, section);
            end = std::min(end, section.range.end());
            std::size_t next = i + 1;
            while (up_to_symbol && next < items_.size() && items_[next].at.value < end && !items_[next].symbol)
                ++next;
            bool known = item.size != 0;
            if (next < items_.size() && items_[next].at.value < end) {
                end = items_[next].at.value;
                known = false;
            }
            DataObject object{{item.at, static_cast<std::uint32_t>(end - item.at.value)},
                              std::move(item.names),
                              known,
                              section.writable(),
                              std::ranges::binary_search(ends_, Rva{static_cast<std::uint32_t>(end)})};
            std::ranges::sort(object.names);
            object.names.erase(std::unique(object.names.begin(), object.names.end()), object.names.end());
            objects.push_back(std::move(object));
            // What lies inside is part of it; what lies behind is the next.
            ++i;
            while (i < items_.size() && items_[i].at.value < end)
                ++i;
        }
        objects.shrink_to_fit();
        return objects;
    }

    const DataEvidence& evidence_;
    std::vector<Item> items_;
    std::vector<Rva> ends_;
};

} // namespace

std::vector<DataObject> find_data(const DataEvidence& evidence) {
    return Finder(evidence).run();
}

} // namespace suture::program
