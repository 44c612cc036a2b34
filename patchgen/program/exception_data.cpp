#include "patchgen/program/exception_data.hpp"

#include "engine/pe/unwind_arm64.hpp"
#include "engine/pe/unwind_x64.hpp"

#include <algorithm>

namespace suture::program {

namespace {

/// Most entries of one map; the largest functions have some thousand states.
constexpr std::uint32_t kMaxEntries = 65536;
/// Most try blocks of a function and handlers of one.
constexpr std::uint32_t kMaxHandlers = 4096;

struct Handler {
    Rva at;
    Rva data;
};

std::optional<Handler> handler_of(const pe::Image& image, const pe::RuntimeFunction& entry) {
    if (image.machine() == Machine::arm64) {
        const auto info = pe::unwind_info_arm64_of(image, entry);
        return info && info->handler ? std::optional(Handler{*info->handler, info->handler_data}) : std::nullopt;
    }
    const auto info = pe::unwind_info_at(image, entry.unwind_info);
    return info && info->handler ? std::optional(Handler{*info->handler, info->handler_data}) : std::nullopt;
}

/// Reads fields one after another; after the first that is not there, all are 0 and `good` is false.
class Fields {
  public:
    Fields(const pe::Image& image, Rva at) : image_(image), at_(at) {}

    template <class T>
    T take() {
        const auto value = image_.read<T>(at_);
        good = good && value.has_value();
        at_ = at_ + std::uint32_t{sizeof(T)};
        return good ? *value : T{};
    }

    Rva rva() { return Rva{take<std::uint32_t>()}; }

    /// A number of 1 to 5 bytes, whose lowest bits say how many.
    std::uint32_t number() {
        const auto first = take<std::uint8_t>();
        unsigned extra = 0;
        while (extra < 4 && (first >> extra & 1) != 0)
            ++extra;
        std::uint64_t value = first;
        for (unsigned i = 1; i <= extra; ++i)
            value |= std::uint64_t{take<std::uint8_t>()} << (8 * i);
        return static_cast<std::uint32_t>(extra == 4 ? value >> 8 : value >> (extra + 1));
    }

    bool good = true;

  private:
    const pe::Image& image_;
    Rva at_;
};

class Reader {
  public:
    explicit Reader(const pe::Image& image) : image_(image) {}

    /// What the data at `data` leads to; nothing if it has none of the layouts.
    std::vector<Rva> read(Rva data) {
        for (const auto layout : {&Reader::read_scopes, &Reader::read_frame_handler_3, &Reader::read_frame_handler_4}) {
            found_.clear();
            if ((this->*layout)(data))
                return std::move(found_);
        }
        return {};
    }

  private:
    bool is_code(Rva at) const {
        const auto* section = image_.section_at(at);
        return section && section->executable();
    }
    bool is_data(Rva at) const {
        const auto* section = image_.section_at(at);
        return section && !section->executable();
    }

    /// Takes a place in code; 0 stands for none. False if it is neither.
    bool take(Rva at) {
        if (at.value == 0)
            return true;
        found_.push_back(at);
        return is_code(at);
    }

    bool read_scopes(Rva at) {
        Fields fields(image_, at);
        const auto count = fields.take<std::uint32_t>();
        if (count == 0 || count > kMaxHandlers)
            return false;
        for (std::uint32_t i = 0; i < count; ++i) {
            const Rva begin = fields.rva(), end = fields.rva(), handler = fields.rva(), target = fields.rva();
            // A handler of 1 is EXCEPTION_EXECUTE_HANDLER; a target of 0 makes the handler a __finally.
            if (!fields.good || !is_code(begin) || end < begin || (handler.value != 1 && !take(handler)) ||
                !take(target))
                return false;
        }
        return true;
    }

    bool read_frame_handler_3(Rva data) {
        const Rva at = Fields(image_, data).rva();
        Fields info(image_, at);
        const auto magic = info.take<std::uint32_t>() & 0x1fffffff;
        if (!info.good || magic < 0x19930520 || magic > 0x19930522)
            return false;
        const auto states = info.take<std::uint32_t>();
        const Rva unwind_map = info.rva();
        const auto tries = info.take<std::uint32_t>();
        const Rva try_map = info.rva();
        if (!info.good || states > kMaxEntries || tries > kMaxHandlers)
            return false;
        Fields actions(image_, unwind_map);
        for (std::uint32_t i = 0; i < states; ++i) {
            actions.take<std::int32_t>();
            if (!take(actions.rva()) || !actions.good)
                return false;
        }
        Fields blocks(image_, try_map);
        for (std::uint32_t i = 0; i < tries; ++i) {
            for (int state = 0; state < 3; ++state)
                blocks.take<std::int32_t>();
            const auto count = blocks.take<std::uint32_t>();
            Fields handlers(image_, blocks.rva());
            if (!blocks.good || count > kMaxHandlers)
                return false;
            for (std::uint32_t h = 0; h < count; ++h) {
                handlers.take<std::uint32_t>(); // adjectives
                handlers.rva();                 // type
                handlers.take<std::int32_t>();  // catch object
                const Rva handler = handlers.rva();
                handlers.take<std::int32_t>(); // frame
                if (!handlers.good || !take(handler))
                    return false;
            }
        }
        return true;
    }

    bool read_frame_handler_4(Rva data) {
        const Rva at = Fields(image_, data).rva();
        if (!is_data(at))
            return false;
        Fields info(image_, at);
        const auto header = info.take<std::uint8_t>();
        if ((header & 0x80) != 0 || (header & 0x18) == 0) // neither actions nor try blocks: nothing to handle
            return false;
        if ((header & 0x04) != 0)
            info.number(); // flags of basic block transformations
        const Rva unwind_map = (header & 0x08) != 0 ? info.rva() : Rva{};
        const Rva try_map = (header & 0x10) != 0 ? info.rva() : Rva{};
        const Rva states = info.rva();
        return info.good && is_data(states) && (unwind_map.value == 0 || read_actions(unwind_map)) &&
               (try_map.value == 0 || read_try_blocks(try_map));
    }

    bool read_actions(Rva at) {
        Fields map(image_, at);
        const auto count = map.number();
        if (!is_data(at) || count > kMaxEntries)
            return false;
        for (std::uint32_t i = 0; i < count; ++i) {
            const auto kind = map.number() & 3; // the rest is the distance to the next state
            const Rva action = kind != 0 ? map.rva() : Rva{};
            if (kind == 1 || kind == 2)
                map.number(); // the object that the action destroys
            if (!map.good || !take(action))
                return false;
        }
        return true;
    }

    bool read_try_blocks(Rva at) {
        Fields blocks(image_, at);
        const auto tries = blocks.number();
        if (!is_data(at) || tries > kMaxHandlers)
            return false;
        for (std::uint32_t i = 0; i < tries; ++i) {
            for (int state = 0; state < 3; ++state)
                blocks.number();
            const Rva array = blocks.rva();
            Fields handlers(image_, array);
            const auto count = handlers.number();
            if (!blocks.good || !is_data(array) || count > kMaxHandlers)
                return false;
            for (std::uint32_t h = 0; h < count; ++h)
                if (!read_catch(handlers))
                    return false;
        }
        return true;
    }

    bool read_catch(Fields& fields) {
        const auto header = fields.take<std::uint8_t>();
        if ((header & 0x01) != 0)
            fields.number(); // adjectives
        if ((header & 0x02) != 0)
            fields.rva(); // type
        if ((header & 0x04) != 0)
            fields.number(); // catch object
        if (!take(fields.rva()))
            return false;
        // Where the code goes on: an RVA, or a distance from the function's entry, which is inside it anyway.
        const unsigned continuations = header >> 4 & 3;
        for (unsigned i = 0; i < continuations; ++i)
            if ((header & 0x08) == 0)
                fields.number();
            else if (!take(fields.rva()))
                return false;
        return fields.good && continuations != 3;
    }

    const pe::Image& image_;
    std::vector<Rva> found_;
};

void sort_unique(std::vector<Rva>& list) {
    std::ranges::sort(list);
    list.erase(std::unique(list.begin(), list.end()), list.end());
}

} // namespace

ExceptionCode exception_code_of(const pe::Image& image, std::span<const pe::RuntimeFunction> entries) {
    ExceptionCode code;
    Reader reader(image);
    for (const auto& entry : entries) {
        const auto handler = handler_of(image, entry);
        if (!handler)
            continue;
        code.handlers.push_back(handler->at);
        const auto found = reader.read(handler->data);
        code.perhaps.insert(code.perhaps.end(), found.begin(), found.end());
    }
    sort_unique(code.handlers);
    sort_unique(code.perhaps);
    return code;
}

} // namespace suture::program
