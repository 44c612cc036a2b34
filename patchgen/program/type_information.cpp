#include "patchgen/program/type_information.hpp"

#include "engine/pe/pointer.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace suture::program {

namespace {

/// Longest decorated name of a type, in bytes; compilers cut at 4096.
constexpr std::size_t kMaxName = 8192;
/// Most bases of a class, and most types that one thrown object can be caught as.
constexpr std::uint32_t kMaxBases = 4096;
/// Flags of a base class descriptor: it has a class hierarchy descriptor.
constexpr std::uint32_t kHasHierarchy = 0x40;
/// All flags of a thrown object and of a type that it can be caught as.
constexpr std::uint32_t kThrowFlags = 0x1f;

class Reader {
  public:
    explicit Reader(const pe::Image& image) : image_(image) {}

    /// _RTTICompleteObjectLocator: signature, offset, cdOffset, type, hierarchy, itself.
    void object_locator(Rva at) {
        if (!is_object_locator(image_, at))
            return;
        const Rva hierarchy = rva(at + 16);
        if (!is_type_descriptor(image_, rva(at + 12)) || !is_data(hierarchy))
            return;
        add(at, 24, {12, 16, 20});
        hierarchies_.push_back(hierarchy);
        while (!hierarchies_.empty()) {
            const Rva next = hierarchies_.back();
            hierarchies_.pop_back();
            if (seen_.insert(next).second)
                read_hierarchy(next);
        }
    }

    /// ThrowInfo: attributes, destructor, forward compatibility, catchable types.
    void throw_info(Rva at) {
        const auto attributes = image_.read<std::uint32_t>(at);
        const Rva destructor = rva(at + 4);
        const Rva types = rva(at + 12);
        const auto count = image_.read<std::uint32_t>(types);
        if (!attributes || (*attributes & ~kThrowFlags) != 0 || rva(at + 8).value != 0 || !is_data(types) ||
            (destructor.value != 0 && !is_code(destructor)) || !count || *count == 0 || *count > kMaxBases)
            return;
        const auto [known, fresh] = catchable_.try_emplace(types, true);
        for (std::uint32_t i = 0; fresh && known->second && i < *count; ++i)
            known->second = is_catchable_type(rva(types + 4 + 4 * i));
        if (!known->second)
            return;
        add(at, 16, {4, 12});
        if (!fresh)
            return;
        add(types, 4 + 4 * *count, {});
        for (std::uint32_t i = 0; i < *count; ++i) {
            add_word(types + 4 + 4 * i);
            add(rva(types + 4 + 4 * i), 28, {4, 24});
        }
    }

    /// In front of a table of virtual functions lies what leads to the locator: whatever lies before that has ended.
    void front_of_table(Rva at) {
        const auto value = image_.read<std::uint64_t>(at);
        const auto locator = value ? pe::rva_of(image_, *value) : std::nullopt;
        if (locator && is_data(at) && is_object_locator(image_, *locator) &&
            is_type_descriptor(image_, rva(*locator + 12)))
            add(at, 8, {});
    }

    AddressWords take() { return std::move(found_); }

  private:
    Rva rva(Rva at) const { return Rva{image_.read<std::uint32_t>(at).value_or(0)}; }
    bool is_data(Rva at) const {
        const pe::Section* section = at.value != 0 ? image_.section_at(at) : nullptr;
        return section && !section->executable();
    }
    bool is_code(Rva at) const {
        const pe::Section* section = image_.section_at(at);
        return section && section->executable();
    }

    /// _RTTIClassHierarchyDescriptor: signature, attributes, number of bases, their array.
    void read_hierarchy(Rva at) {
        const auto signature = image_.read<std::uint32_t>(at);
        const auto count = image_.read<std::uint32_t>(at + 8);
        const Rva bases = rva(at + 12);
        if (!signature || *signature != 0 || !count || *count == 0 || *count > kMaxBases || !is_data(bases))
            return;
        for (std::uint32_t i = 0; i < *count; ++i)
            if (!is_type_descriptor(image_, rva(rva(bases + 4 * i))))
                return;
        add(at, 16, {12});
        add(bases, 4 * *count, {});
        for (std::uint32_t i = 0; i < *count; ++i) {
            add_word(bases + 4 * i);
            read_base(rva(bases + 4 * i));
        }
    }

    /// _RTTIBaseClassDescriptor: type, contained bases, place (3 words), attributes, hierarchy.
    void read_base(Rva at) {
        const bool has_hierarchy = (image_.read<std::uint32_t>(at + 20).value_or(0) & kHasHierarchy) != 0;
        add(at, has_hierarchy ? 28 : 24, {0});
        if (has_hierarchy && is_data(rva(at + 24))) {
            add_word(at + 24);
            hierarchies_.push_back(rva(at + 24));
        }
    }

    /// CatchableType: properties, type, place (3 words), size, copying.
    bool is_catchable_type(Rva at) const {
        const auto properties = image_.read<std::uint32_t>(at);
        const Rva copying = rva(at + 24);
        return is_data(at) && properties && (*properties & ~kThrowFlags) == 0 &&
               is_type_descriptor(image_, rva(at + 4)) && (copying.value == 0 || is_code(copying));
    }

    void add(Rva at, std::uint32_t size, std::initializer_list<std::uint32_t> words) {
        found_.blocks.push_back({at, size});
        for (const std::uint32_t offset : words)
            add_word(at + offset);
    }
    void add_word(Rva at) {
        if (rva(at).value != 0)
            found_.words.push_back({at, {}});
    }

    const pe::Image& image_;
    AddressWords found_;
    std::vector<Rva> hierarchies_; ///< still to be read
    std::set<Rva> seen_;
    std::map<Rva, bool> catchable_; ///< whether they are arrays of catchable types
};

} // namespace

bool is_type_descriptor(const pe::Image& image, Rva at) {
    // Pointer to the virtual functions of type_info, room for the undecorated name, decorated name.
    return image.read<std::uint64_t>(at).value_or(0) != 0 && image.read<std::uint64_t>(at + 8) == std::uint64_t{0} &&
           image.read<std::uint8_t>(at + 16) == std::uint8_t{'.'} &&
           image.read<std::uint8_t>(at + 17).value_or(0) > std::uint8_t{' '};
}

std::optional<std::string_view> type_described_at(const pe::Image& image, Rva at) {
    return is_type_descriptor(image, at) ? image.string_at(at + 16, kMaxName) : std::nullopt;
}

bool is_object_locator(const pe::Image& image, Rva at) {
    return image.read<std::uint32_t>(at) == 1u && image.read<std::uint32_t>(at + 20) == at.value;
}

AddressWords type_information_of(const pe::Image& image, std::span<const Rva> pointers, std::span<const Rva> taken,
                                 std::span<const pe::Relocation> relocations) {
    Reader reader(image);
    for (const Rva at : pointers)
        reader.object_locator(at);
    for (const Rva at : taken)
        reader.throw_info(at);
    for (const pe::Relocation& field : relocations)
        if (field.size == 8)
            reader.front_of_table(field.at);
    return reader.take();
}

} // namespace suture::program
