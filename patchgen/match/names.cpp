#include "patchgen/match/names.hpp"

#include <algorithm>
#include <unordered_set>

namespace suture::match {

std::string family_of(std::string_view name) {
    std::string family;
    std::size_t begin = 0;
    while (begin <= name.size()) {
        const std::size_t dot = std::min(name.find('.', begin), name.size());
        const std::string_view part = name.substr(begin, dot - begin);
        const bool number = begin != 0 && !part.empty() &&
                            std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
        if (!number) {
            if (begin != 0)
                family += '.';
            family += part;
        }
        begin = dot + 1;
    }
    return family;
}

bool names_compatible(std::span<const std::string> a, std::span<const std::string> b) {
    if (a.empty() || b.empty())
        return true;
    if (a.size() == 1 && b.size() == 1)
        return a[0] == b[0] || family_of(a[0]) == family_of(b[0]);
    std::unordered_set<std::string> families;
    for (const std::string& name : a)
        families.insert(family_of(name));
    return std::any_of(b.begin(), b.end(), [&](const std::string& name) { return families.contains(family_of(name)); });
}

} // namespace suture::match
