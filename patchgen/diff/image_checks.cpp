#include "patchgen/diff/image_checks.hpp"

#include "patchgen/diff/function_diff.hpp"
#include "patchgen/diff/loader_settings.hpp"
#include "patchgen/diff/resources.hpp"
#include "patchgen/diff/unexplained.hpp"
#include "patchgen/diff/unreached.hpp"
#include "patchgen/match/fingerprint.hpp"
#include "patchgen/program/initialisers.hpp"
#include "patchgen/program/x64/operations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

namespace suture::diff {

using match::Place;
using match::PlaceKind;
using program::DataObject;

namespace {

/// Lists of functions that run while an image starts, by the names of their first and last entry: MSVC's and clang's
/// C and C++ initialisers, GCC's constructors.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kInitialisers{
    {{"__xi_a", "__xi_z"}, {"__xc_a", "__xc_z"}, {"__CTOR_LIST__", "__DTOR_LIST__"}}};
/// Most thread-local storage callbacks looked at; programs have a handful.
constexpr std::uint32_t kMaxCallbacks = 1024;

class Checker {
  public:
    Checker(const Pairing& pairing, Contents& contents, const std::set<Edge>& changed)
        : pairing_(pairing), contents_(contents), changed_(changed), old_(pairing.baseline.program()),
          new_(pairing.updated.program()) {}

    std::vector<Error> run() {
        exports();
        if (!same_code_at(old_.image().entry_point(), new_.image().entry_point()))
            refuse(Code::entry_point_changed, new_.image().entry_point(),
                   fmt::format("it is {}, was {}", describe(pairing_.updated, new_.image().entry_point()),
                               describe(pairing_.baseline, old_.image().entry_point())));
        for (std::string& setting : changed_loader_settings(old_, new_))
            refusals_.push_back(Error(Code::loader_settings_changed, std::move(setting)).in_image(new_.path()));
        guard_functions();
        thread_local_data();
        initialisers();
        writable_data();
        delayed_imports();
        inner_pointers();
        resources();
        functions_that_are_data();
        unreached();
        if (changed_.empty() && refusals_.empty())
            unexplained();
        return std::move(refusals_);
    }

  private:
    void refuse(Code code, Rva at, std::string detail, const std::string& name = {}) {
        refusals_.push_back(Error(code, std::move(detail)).in_image(new_.path()).at(at).in_function(name));
    }

    bool same_code_at(Rva old_rva, Rva new_rva) const {
        const Place from = pairing_.baseline.at(old_rva);
        const Place to = pairing_.updated.at(new_rva);
        if (from.kind != PlaceKind::function || to.kind != PlaceKind::function)
            return from.kind == to.kind && (from.kind != PlaceKind::header || from.offset == to.offset);
        return from.offset == to.offset && pairing_.functions.related(from.index, to.index);
    }

    void exports() {
        using Key = std::pair<std::string, std::uint32_t>;
        const auto list = [](const program::Program& program) {
            std::map<Key, const pe::Export*> result;
            for (const pe::Export& one : program.exports())
                result[one.name.empty() ? Key{"", one.ordinal} : Key{one.name, 0}] = &one;
            return result;
        };
        const auto spelled = [](const Key& key) {
            return key.first.empty() ? fmt::format("#{}", key.second) : key.first;
        };
        const auto before = list(old_);
        const auto after = list(new_);
        for (const auto& [key, one] : before)
            if (!after.contains(key))
                refuse(Code::export_removed, one->rva, spelled(key));
        for (const auto& [key, one] : after) {
            const auto found = before.find(key);
            if (found == before.end()) {
                refuse(Code::export_added, one->rva, spelled(key));
                continue;
            }
            const pe::Export& earlier = *found->second;
            // Ordinals of names move when a name is added: who imports by name never sees them.
            if (one->forwarder != earlier.forwarder)
                refuse(Code::export_changed, one->rva,
                       fmt::format("{} is forwarded to \"{}\", was to \"{}\"", spelled(key), one->forwarder,
                                   earlier.forwarder));
            else if (one->forwarder.empty() && !same_export(earlier.rva, one->rva))
                refuse(Code::export_changed, one->rva,
                       fmt::format("{} is {}, was {}", spelled(key), describe(pairing_.updated, one->rva),
                                   describe(pairing_.baseline, earlier.rva)));
        }
    }

    bool same_export(Rva old_rva, Rva new_rva) {
        const Place from = pairing_.baseline.at(old_rva);
        const Place to = pairing_.updated.at(new_rva);
        if (from.kind == PlaceKind::data && to.kind == PlaceKind::data)
            return contents_.same(old_rva, new_rva, 0);
        return same_code_at(old_rva, new_rva);
    }

    /// Where only what may be called through pointers changed, no code shows it.
    void guard_functions() {
        if (!changed_.empty() ||
            std::ranges::any_of(pairing_.functions.to_baseline, [](const auto& partners) { return partners.empty(); }))
            return;
        const auto indices = [](const match::Places& places, std::span<const Rva> list) {
            std::set<std::uint32_t> found;
            for (const Rva at : list)
                if (const Place place = places.at(at); place.kind == PlaceKind::function && place.offset == 0)
                    found.insert(place.index);
            return found;
        };
        const auto before = indices(pairing_.baseline, old_.load_config().guard_functions);
        const auto after = indices(pairing_.updated, new_.load_config().guard_functions);
        const auto lacks = [](const std::vector<std::uint32_t>& partners, const std::set<std::uint32_t>& others) {
            return std::ranges::none_of(partners, [&](std::uint32_t one) { return others.contains(one); });
        };
        for (const std::uint32_t u : after)
            if (lacks(pairing_.functions.to_baseline[u], before))
                return refuse(Code::loader_settings_changed, pairing_.new_function(u).range.begin,
                              "it may be called through pointers, and might not",
                              pairing_.new_function(u).display_name());
        for (const std::uint32_t b : before)
            if (lacks(pairing_.functions.to_updated[b], after))
                return refuse(Code::loader_settings_changed, pairing_.old_function(b).range.begin,
                              "it may not be called through pointers, and might",
                              pairing_.old_function(b).display_name());
    }

    struct ThreadLocal {
        RvaRange content;
        std::uint32_t zero_fill = 0;
        Rva index; ///< where the loader puts the module's index
        std::vector<Rva> callbacks;
    };

    static ThreadLocal thread_local_of(const program::Program& program) {
        ThreadLocal result;
        const pe::Image& image = program.image();
        const RvaRange directory = image.directory(pe::Directory::tls);
        if (directory.size == 0)
            return result;
        const std::uint64_t base = image.image_base().value;
        const auto field = [&](std::uint32_t offset) {
            const auto value = image.read<std::uint64_t>(directory.begin + offset);
            return value && *value > base && *value - base < image.size_of_image()
                       ? Rva{static_cast<std::uint32_t>(*value - base)}
                       : Rva{};
        };
        // IMAGE_TLS_DIRECTORY64: start and end of the template, index, callbacks, zero fill.
        const Rva begin = field(0);
        result.content = {begin, std::max(field(8), begin) - begin};
        result.index = field(0x10);
        result.zero_fill = image.read<std::uint32_t>(directory.begin + 0x20).value_or(0);
        const Rva callbacks = field(0x18);
        for (std::uint32_t i = 0; callbacks != Rva{} && i < kMaxCallbacks; ++i) {
            const auto target = program.pointer_at(callbacks + 8 * i);
            if (!target)
                break;
            result.callbacks.push_back(*target);
        }
        return result;
    }

    void thread_local_data() {
        const ThreadLocal before = thread_local_of(old_);
        const ThreadLocal after = thread_local_of(new_);
        const auto bytes = [](const program::Program& program, RvaRange range) {
            auto content = program.image().content(range).value_or(Bytes{});
            for (std::uint32_t i = 0; i + 8 <= content.size(); ++i)
                if (program.pointer_at(range.begin + i))
                    std::fill_n(content.begin() + i, 8, 0xff);
            return content;
        };
        const Rva at = after.content.begin;
        if (before.content.size != after.content.size || before.zero_fill != after.zero_fill) {
            refuse(Code::tls_changed, at,
                   fmt::format("0x{:x} + 0x{:x} bytes, were 0x{:x} + 0x{:x}", after.content.size, after.zero_fill,
                               before.content.size, before.zero_fill));
            return;
        }
        if (before.content.size != 0 && bytes(old_, before.content) != bytes(new_, after.content))
            refuse(Code::tls_changed, at, "the initial values differ");
        thread_local_places(before.content, after.content);
        thread_local_offsets(before, after);
        for (const pe::Relocation& field : pairing_.baseline.relocations_in(before.content))
            if (!contents_.same_pointers(field.at, after.content.begin + (field.at - before.content.begin)))
                refuse(Code::tls_changed, at, "an initial pointer leads elsewhere");
        if (!std::equal(before.callbacks.begin(), before.callbacks.end(), after.callbacks.begin(),
                        after.callbacks.end(), [&](Rva a, Rva b) { return same_code_at(a, b); }))
            refuse(Code::tls_changed, at, "the callbacks differ");
    }

    /// Code refers to thread-local variables by their offset alone: where they change places, all that uses them
    /// changes, and finds in the threads there are what belongs to another one.
    void thread_local_places(RvaRange before, RvaRange after) {
        const auto places_of = [](const program::Program& program, RvaRange content) {
            std::map<std::string_view, std::set<std::uint32_t>> places;
            for (const DataObject& object : program.data())
                if (content.contains(object.range.begin))
                    for (const std::string& name : object.names)
                        places[name].insert(object.range.begin - content.begin);
            return places;
        };
        const auto old_places = places_of(old_, before);
        for (const auto& [name, places] : places_of(new_, after)) {
            const auto found = old_places.find(name);
            if (found == old_places.end() ? !old_places.empty() : found->second != places)
                return refuse(Code::tls_changed, after.begin + *places.begin(),
                              found == old_places.end() ? fmt::format("{} is new", name)
                                                        : fmt::format("{} lies at +0x{:x}, lay at +0x{:x}", name,
                                                                      *places.begin(), *found->second.begin()),
                              std::string(name));
        }
    }

    static bool has_names(const program::Program& program, RvaRange content) {
        return std::ranges::any_of(program.data(), [&](const DataObject& object) {
            return content.contains(object.range.begin) && !object.names.empty();
        });
    }

    /// Where nothing names the variables, a function that uses some and differs in what may be their offsets alone may
    /// use those that belonged to another one.
    void thread_local_offsets(const ThreadLocal& before, const ThreadLocal& after) {
        const std::uint64_t size = std::uint64_t{after.content.size} + after.zero_fill;
        if (size == 0 || (has_names(old_, before.content) && has_names(new_, after.content)))
            return;
        const auto uses = [](const program::Function& function, Rva index) {
            return std::ranges::any_of(function.references, [&](const program::Reference& reference) {
                return program::has_target(reference.kind) && reference.target == index;
            });
        };
        for (const auto& [b, u] : changed_) {
            const program::Function& from = pairing_.old_function(b);
            const program::Function& to = pairing_.new_function(u);
            if (from.range.size != to.range.size || from.instructions != to.instructions || !uses(from, before.index) ||
                !uses(to, after.index) || !differ_in_offsets(from, to, size))
                continue;
            refuse(Code::tls_changed, to.range.begin, "it may use other thread-local variables than it did",
                   to.display_name());
        }
    }

    /// True if all that differs outside of references could be offsets below `size`.
    bool differ_in_offsets(const program::Function& from, const program::Function& to, std::uint64_t size) const {
        const Bytes a = match::code_of(old_, from);
        const Bytes b = match::code_of(new_, to);
        const bool arm64 = new_.image().machine() == Machine::arm64;
        bool differ = false;
        for (std::uint32_t i = 0; i < std::min(a.size(), b.size()); ++i) {
            const auto in_field = [&](const program::Reference& one) {
                return i >= one.offset && i < one.offset + one.size;
            };
            if (a[i] == b[i] || std::ranges::any_of(from.references, in_field))
                continue;
            differ = true;
            if (arm64) {
                const auto x = ByteView(a).read<std::uint32_t>(i & ~3u);
                const auto y = ByteView(b).read<std::uint32_t>(i & ~3u);
                if (!x || !y || ((*x ^ *y) & ~program::immediate_mask(program::ReferenceKind::arm64_low12_add)) != 0)
                    return false;
                continue;
            }
            // A displacement of one byte, or four bytes that may be a displacement or an immediate.
            bool is_offset = a[i] < size && b[i] < size && is_displacement(from, a, i);
            for (std::uint32_t at = i < 3 ? 0 : i - 3; at <= i && !is_offset; ++at) {
                const auto x = ByteView(a).read<std::uint32_t>(at);
                const auto y = ByteView(b).read<std::uint32_t>(at);
                is_offset = x && y && *x < size && *y < size;
            }
            if (!is_offset)
                return false;
        }
        return differ;
    }

    bool is_displacement(const program::Function& function, ByteView code, std::uint32_t offset) const {
        const auto instruction = function.instructions.at_or_before(offset);
        if (!instruction)
            return false;
        const auto steps = program::x64::steps_of({.begin = function.range.begin, .bytes = code, .image_base = {}},
                                                  std::span(&*instruction, 1));
        return !steps.empty() && steps[0].memory && !steps[0].wide_displacement && steps[0].displacement != 0 &&
               offset == *instruction + steps[0].displacement_at;
    }

    /// Functions that a list of initialisers names.
    static std::vector<Rva> pointers_in(const match::Places& places, std::span<const RvaRange> ranges) {
        std::vector<Rva> result;
        for (const RvaRange range : ranges)
            for (const pe::Relocation& field : places.relocations_in(range))
                if (const auto target = places.program().pointer_at(field.at))
                    result.push_back(*target);
        return result;
    }

    static std::optional<RvaRange> between(const program::Program& program, std::string_view first,
                                           std::string_view last) {
        std::optional<Rva> begin;
        for (const DataObject& object : program.data()) {
            const auto called = [&](std::string_view name) {
                return std::find(object.names.begin(), object.names.end(), name) != object.names.end();
            };
            if (called(first))
                begin = object.range.begin;
            if (begin && called(last))
                return RvaRange{*begin, object.range.begin - *begin};
        }
        return std::nullopt;
    }

    /// All lists that names, sections, or code and form tell of: which one a function is in makes no difference.
    static std::vector<RvaRange> lists_of(const program::Program& program) {
        std::vector<RvaRange> lists = program::initialiser_lists_of(program);
        for (const auto& [first, last] : kInitialisers)
            if (const auto list = between(program, first, last))
                lists.push_back(*list);
        if (const pe::Section* section = program.image().section_named(".CRT"))
            lists.push_back(section->range);
        return lists;
    }

    void initialisers() {
        const auto old_list = pointers_in(pairing_.baseline, lists_of(old_));
        const auto new_list = pointers_in(pairing_.updated, lists_of(new_));
        for (const Rva target : new_list)
            if (std::none_of(old_list.begin(), old_list.end(), [&](Rva other) { return same_code_at(other, target); }))
                return refuse(Code::static_init_changed, target,
                              fmt::format("{} would have to run", describe(pairing_.updated, target)));
        for (const Rva target : old_list) {
            if (std::none_of(new_list.begin(), new_list.end(), [&](Rva other) { return same_code_at(target, other); }))
                return refuse(Code::static_init_changed, target,
                              fmt::format("{} should not have run", describe(pairing_.baseline, target)));
            const Place place = pairing_.baseline.at(target);
            if (place.kind == PlaceKind::function)
                for (const std::uint32_t updated : pairing_.functions.to_updated[place.index])
                    if (changed_.contains({place.index, updated}))
                        return refuse(Code::static_init_changed, target,
                                      fmt::format("{} differs and has run", describe(pairing_.baseline, target)));
        }
    }

    void writable_data() {
        const auto cookie = new_.load_config().security_cookie;
        for (std::uint32_t u = 0; u < new_.data().size(); ++u) {
            const DataObject& object = new_.data()[u];
            const Counterpart& counterpart = pairing_.data.counterpart(u);
            if (!object.writable || counterpart.kind != Counterpart::Kind::paired ||
                pairing_.updated.at(object.range.begin).kind != PlaceKind::data)
                continue;
            const DataObject* earlier = old_.data_at(counterpart.baseline);
            if (!earlier || earlier->range.begin != counterpart.baseline)
                continue; // part of something that is compared as a whole
            if (cookie && object.range.contains(*cookie))
                compare_behind_cookie(*earlier, object, *cookie);
            else
                compare_object(*earlier, object);
        }
    }

    /// Until it is bound, the slot of a delayed import leads to code that binds it.
    void delayed_imports() {
        for (std::uint32_t u = 0; u < new_.imports().size(); ++u) {
            const pe::ImportSlot& slot = new_.imports()[u];
            for (std::uint32_t b = 0; slot.delayed && b < old_.imports().size(); ++b)
                if (pairing_.same_import(b, u) && !contents_.same_pointers(old_.imports()[b].slot, slot.slot)) {
                    refuse(Code::data_initial_value_changed, slot.slot,
                           fmt::format("the delayed import of {}!{} is bound by other code", slot.dll, slot.name));
                    break;
                }
        }
    }

    /// The loader gives the cookie another value before any code runs. Without symbols it may have others behind it.
    void compare_behind_cookie(const DataObject& before, const DataObject& after, Rva cookie) {
        const std::uint32_t skipped = cookie - after.range.begin + 8;
        const std::uint32_t shared = std::min(before.range.size, after.range.size);
        if (shared > skipped &&
            !contents_.same_initial(before.range.begin + skipped, after.range.begin + skipped, shared - skipped))
            refuse(Code::data_initial_value_changed, after.range.begin,
                   "a variable behind the security cookie starts with another value");
    }

    void compare_object(const DataObject& before, const DataObject& after) {
        const std::string name =
            after.names.empty() ? describe(pairing_.updated, after.range.begin) : after.names.front();
        if (before.size_known && after.size_known && before.range.size != after.range.size)
            return refuse(Code::data_resized, after.range.begin,
                          fmt::format("{} has {} bytes, had {}", name, after.range.size, before.range.size), name);
        const std::uint32_t old_size = Contents::extent_of(pairing_.baseline, before.range.begin).size;
        const std::uint32_t new_size = Contents::extent_of(pairing_.updated, after.range.begin).size;
        const std::uint32_t shared = std::min(old_size, new_size);
        if (!contents_.same_initial(before.range.begin, after.range.begin, shared))
            return refuse(Code::data_initial_value_changed, after.range.begin,
                          fmt::format("{}: {}", name, difference(before.range.begin, after.range.begin, shared)), name);
        const bool grown = new_size > old_size;
        if (before.size_known || after.size_known || old_size == new_size ||
            (grown ? old_.data_at(before.range.begin + shared) : new_.data_at(after.range.begin + shared)) == nullptr)
            return;
        const auto tail =
            (grown ? new_ : old_)
                .image()
                .content({(grown ? after : before).range.begin + shared, std::max(old_size, new_size) - shared});
        // An unnamed address inside the longer one is an object of its own in the other image.
        const DataObject* next =
            grown ? old_.data_at(before.range.begin + shared) : new_.data_at(after.range.begin + shared);
        if (next->names.empty() && !next->size_known)
            return;
        if (tail && std::any_of(tail->begin(), tail->end(), [](std::uint8_t c) { return c != 0; }))
            refuse(Code::data_resized, after.range.begin,
                   fmt::format("{} reaches over {} bytes, reached over {}", name, new_size, old_size), name);
    }

    std::string difference(Rva before, Rva after, std::uint32_t size) const {
        const auto a = old_.image().content({before, size});
        const auto b = new_.image().content({after, size});
        if (a && b)
            for (std::uint32_t i = 0; i < size; ++i)
                if ((*a)[i] != (*b)[i] && !old_.relocated(before + i))
                    return fmt::format("byte +0x{:x} starts as 0x{:02x}, started as 0x{:02x}", i, (*b)[i], (*a)[i]);
        return "a pointer in it starts elsewhere, or leads to something that differs";
    }

    /// Addresses inside changed functions that live data of the baseline holds.
    void inner_pointers() {
        std::map<std::uint32_t, std::uint32_t> changed; // baseline to updated
        for (const auto& [b, u] : changed_)
            changed.emplace(b, u);
        for (const pe::Relocation& field : old_.relocations()) {
            const pe::Section* section = old_.image().section_at(field.at);
            const auto target = section && section->writable() ? old_.pointer_at(field.at) : std::nullopt;
            if (!target)
                continue;
            const Place place = pairing_.baseline.at(*target);
            if (place.kind == PlaceKind::function && place.offset != 0 && changed.contains(place.index))
                refuse(Code::middle_of_replaced, new_.functions()[changed.at(place.index)].range.begin,
                       fmt::format("writable data at +0x{:x} of the baseline points to {}", field.at.value,
                                   describe(pairing_.baseline, *target)),
                       old_.functions()[place.index].display_name());
        }
    }

    /// They lie in the mapped image, and code finds them by their names alone.
    void resources() {
        const auto before = resources_of(old_.image());
        const auto after = resources_of(new_.image());
        for (const auto& [path, resource] : before) {
            const auto found = after.find(path);
            if (found == after.end())
                refuse(Code::data_initial_value_changed, resource.at, fmt::format("resource {} is gone", path));
            else if (found->second.bytes != resource.bytes)
                refuse(Code::data_initial_value_changed, found->second.at, fmt::format("resource {} differs", path));
        }
        for (const auto& [path, resource] : after)
            if (!before.contains(path))
                refuse(Code::data_initial_value_changed, resource.at, fmt::format("resource {} is new", path));
    }

    /// Functions whose names are now those of something that is not understood as code.
    void functions_that_are_data() {
        for (std::uint32_t b = 0; b < pairing_.functions.to_updated.size(); ++b)
            if (pairing_.functions.to_updated[b].empty())
                for (const std::string& name : old_.functions()[b].names)
                    if (const DataObject* object = program::data_called(new_, name)) {
                        refuse(Code::not_decoded, object->range.begin, "it was code in the baseline", name);
                        break;
                    }
    }

    void unreached() {
        if (const auto at = different_unreached(pairing_))
            refuse(Code::not_decoded, *at, "bytes in a code section differ that nothing is known to lead to");
    }

    void unexplained() {
        const Unexplained data = unexplained_data(pairing_);
        if (data.read_only)
            refuse(Code::data_extent_unknown, *data.read_only,
                   "the baseline has nothing like it, and nothing is known to lead there: it may belong to what lies "
                   "behind");
        if (data.grown)
            refuse(Code::data_resized, *data.grown,
                   "the section does not end where it did, and this is the last variable in it");
    }

    const Pairing& pairing_;
    Contents& contents_;
    const std::set<Edge>& changed_;
    const program::Program& old_;
    const program::Program& new_;
    std::vector<Error> refusals_;
};

} // namespace

std::vector<Error> check_images(const Pairing& pairing, Contents& contents, const std::set<Edge>& changed) {
    return Checker(pairing, contents, changed).run();
}

std::optional<Error> check_related(const program::Program& baseline, const program::Program& updated) {
    const pe::Image& a = baseline.image();
    const pe::Image& b = updated.image();
    const auto unrelated = [&](std::string detail) {
        return Error(Code::unrelated_images, std::move(detail)).in_image(updated.path());
    };
    if (a.machine() != b.machine())
        return unrelated(fmt::format("one is for {}, the other for {}", name_of(a.machine()), name_of(b.machine())));
    if (a.is_dll() != b.is_dll())
        return unrelated("one is a DLL, the other is not");
    if (a.subsystem() != b.subsystem())
        return unrelated(fmt::format("the subsystems are {} and {}", a.subsystem(), b.subsystem()));
    return std::nullopt;
}

} // namespace suture::diff
