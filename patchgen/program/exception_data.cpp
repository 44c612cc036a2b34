#include "patchgen/program/exception_data.hpp"

#include "engine/pe/unwind_arm64.hpp"
#include "engine/pe/unwind_x64.hpp"
#include "patchgen/program/field_reader.hpp"
#include "patchgen/program/rva_index.hpp"

#include <algorithm>

namespace suture::program {

namespace {

/// Most entries of one map; the largest functions have some thousand states.
constexpr std::uint32_t kMaxEntries = 65536;
/// Most try blocks of a function and handlers of one.
constexpr std::uint32_t kMaxHandlers = 4096;
/// Largest exception data of one function in GCC's form, in bytes.
constexpr std::int64_t kMaxLsda = std::int64_t{1} << 20;

// Encodings of pointers in GCC's exception data (Linux Standard Base, DWARF extensions).
constexpr std::uint8_t kOmitted = 0xff;
constexpr std::uint8_t kUleb = 0x01;
constexpr std::uint8_t kIndirect = 0x80;
constexpr std::uint8_t kPcRelative = 0x10;
constexpr std::uint8_t kSigned4 = 0x0b;
constexpr std::uint8_t kAbsolute = 0x00;

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

class Reader {
  public:
    explicit Reader(const pe::Image& image) : image_(image) {}

    /// What the data at `data` leads to; nothing if it has none of the layouts.
    std::vector<Rva> read(Rva data) {
        for (const auto layout :
             {&Reader::read_scopes, &Reader::read_frame_handler_3, &Reader::read_frame_handler_4, &Reader::read_lsda}) {
            found_.clear();
            data_ = {};
            if ((this->*layout)(data)) {
                words_.append(data_);
                // Many handlers may share their data: what is kept is no more than what is there.
                if (words_.words.size() > settle_at_ || words_.blocks.size() > settle_at_) {
                    words_.settle();
                    settle_at_ = 2 * std::max({words_.words.size(), words_.blocks.size(), settle_at_ / 2});
                }
                return std::move(found_);
            }
        }
        return {};
    }

    AddressWords take_words() {
        words_.settle();
        return std::move(words_);
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

    /// Takes the RVA that comes next.
    Rva word(FieldReader& fields, Rva base = {}) {
        const Rva at = fields.at();
        const Rva leads = fields.rva();
        if (leads.value != 0)
            data_.words.push_back({at, base});
        return leads;
    }
    void block(Rva at, std::uint32_t size) { data_.blocks.push_back({at, size}); }

    /// Takes a place in code; 0 stands for none. False if it is neither.
    bool take(Rva at) {
        if (at.value == 0)
            return true;
        found_.push_back(at);
        return is_code(at);
    }

    bool read_scopes(Rva at) {
        FieldReader fields(image_, at, left_);
        const auto count = fields.take<std::uint32_t>();
        if (count == 0 || count > kMaxHandlers)
            return false;
        for (std::uint32_t i = 0; i < count; ++i) {
            const Rva begin = word(fields), end = word(fields, kLastByte);
            // A handler of 1 is EXCEPTION_EXECUTE_HANDLER; a target of 0 makes the handler a __finally.
            const auto filter = image_.read<std::uint32_t>(fields.at());
            const Rva handler = filter == 1u ? fields.rva() : word(fields);
            const Rva target = word(fields);
            if (!fields.good || !is_code(begin) || end < begin || (handler.value != 1 && !take(handler)) ||
                !take(target))
                return false;
        }
        return true;
    }

    bool read_frame_handler_3(Rva data) {
        FieldReader first(image_, data, left_);
        const Rva at = word(first);
        FieldReader info(image_, at, left_);
        const auto magic = info.take<std::uint32_t>() & 0x1fffffff;
        if (!info.good || magic < 0x19930520 || magic > 0x19930522)
            return false;
        const auto states = info.take<std::uint32_t>();
        const Rva unwind_map = word(info);
        const auto tries = info.take<std::uint32_t>();
        const Rva try_map = word(info);
        const auto places = info.take<std::uint32_t>();
        const Rva place_map = word(info);
        info.take<std::int32_t>(); // where the frame keeps the state
        if (magic == 0x19930522) {
            word(info);                 // what the function may throw
            info.take<std::uint32_t>(); // flags
        }
        if (!info.good || states > kMaxEntries || tries > kMaxHandlers || places > kMaxEntries)
            return false;
        block(at, info.at() - at);
        block(unwind_map, 8 * states);
        block(try_map, 20 * tries);
        block(place_map, 8 * places);
        FieldReader actions(image_, unwind_map, left_);
        for (std::uint32_t i = 0; i < states; ++i) {
            actions.take<std::int32_t>();
            if (!take(word(actions)) || !actions.good)
                return false;
        }
        FieldReader ips(image_, place_map, left_);
        for (std::uint32_t i = 0; i < places; ++i) {
            if (!is_code(word(ips)))
                return false;
            ips.take<std::int32_t>();
        }
        FieldReader blocks(image_, try_map, left_);
        for (std::uint32_t i = 0; i < tries; ++i) {
            for (int state = 0; state < 3; ++state)
                blocks.take<std::int32_t>();
            const auto count = blocks.take<std::uint32_t>();
            const Rva array = word(blocks);
            FieldReader handlers(image_, array, left_);
            if (!blocks.good || count > kMaxHandlers)
                return false;
            block(array, 20 * count);
            for (std::uint32_t h = 0; h < count; ++h) {
                handlers.take<std::uint32_t>(); // adjectives
                word(handlers);                 // type
                handlers.take<std::int32_t>();  // catch object
                const Rva handler = word(handlers);
                handlers.take<std::int32_t>(); // frame
                if (!handlers.good || !take(handler))
                    return false;
            }
        }
        return true;
    }

    bool read_frame_handler_4(Rva data) {
        FieldReader first(image_, data, left_);
        const Rva at = word(first);
        if (!is_data(at))
            return false;
        FieldReader info(image_, at, left_);
        const auto header = info.take<std::uint8_t>();
        if ((header & 0x80) != 0 || (header & 0x18) == 0) // neither actions nor try blocks: nothing to handle
            return false;
        if ((header & 0x04) != 0)
            info.number(); // flags of basic block transformations
        const Rva unwind_map = (header & 0x08) != 0 ? word(info) : Rva{};
        const Rva try_map = (header & 0x10) != 0 ? word(info) : Rva{};
        const Rva states = word(info);
        if ((header & 0x01) != 0)
            info.number(); // where the frame of a catch block keeps the function's
        block(at, info.at() - at);
        if ((header & 0x02) != 0)
            read_states_of_parts(states);
        else
            read_states(states);
        return info.good && is_data(states) && (unwind_map.value == 0 || read_actions(unwind_map)) &&
               (try_map.value == 0 || read_try_blocks(try_map));
    }

    /// Where the states begin: distances from the function's entry.
    void read_states(Rva at) {
        FieldReader map(image_, at, left_);
        const auto count = map.number();
        for (std::uint32_t i = 0; map.good && i < std::min(count, kMaxEntries); ++i) {
            map.number();
            map.number();
        }
        if (map.good && count <= kMaxEntries)
            block(at, map.at() - at);
    }

    void read_states_of_parts(Rva at) {
        FieldReader parts(image_, at, left_);
        const auto count = parts.number();
        for (std::uint32_t i = 0; parts.good && i < std::min(count, kMaxHandlers); ++i) {
            word(parts); // the part
            read_states(word(parts));
        }
        if (parts.good && count <= kMaxHandlers)
            block(at, parts.at() - at);
    }

    bool read_actions(Rva at) {
        FieldReader map(image_, at, left_);
        const auto count = map.number();
        if (!is_data(at) || count > kMaxEntries)
            return false;
        for (std::uint32_t i = 0; i < count; ++i) {
            const auto kind = map.number() & 3; // the rest is the distance to the next state
            const Rva action = kind != 0 ? word(map) : Rva{};
            if (kind == 1 || kind == 2)
                map.number(); // the object that the action destroys
            if (!map.good || !take(action))
                return false;
        }
        block(at, map.at() - at);
        return true;
    }

    bool read_try_blocks(Rva at) {
        FieldReader blocks(image_, at, left_);
        const auto tries = blocks.number();
        if (!is_data(at) || tries > kMaxHandlers)
            return false;
        for (std::uint32_t i = 0; i < tries; ++i) {
            for (int state = 0; state < 3; ++state)
                blocks.number();
            const Rva array = word(blocks);
            FieldReader handlers(image_, array, left_);
            const auto count = handlers.number();
            if (!blocks.good || !is_data(array) || count > kMaxHandlers)
                return false;
            for (std::uint32_t h = 0; h < count; ++h)
                if (!read_catch(handlers))
                    return false;
            block(array, handlers.at() - array);
        }
        block(at, blocks.at() - at);
        return true;
    }

    bool read_catch(FieldReader& fields) {
        const auto header = fields.take<std::uint8_t>();
        if ((header & 0x01) != 0)
            fields.number(); // adjectives
        if ((header & 0x02) != 0)
            word(fields); // type
        if ((header & 0x04) != 0)
            fields.number(); // catch object
        if (!take(word(fields)))
            return false;
        // Where the code goes on: an RVA, or a distance from the function's entry, which is inside it anyway.
        const unsigned continuations = header >> 4 & 3;
        for (unsigned i = 0; i < continuations; ++i)
            if ((header & 0x08) == 0)
                fields.number();
            else if (!take(word(fields)))
                return false;
        return fields.good && continuations != 3;
    }

    /// Call sites, what is done about exceptions, and the types that are caught, counted backwards from their base.
    bool read_lsda(Rva data) {
        FieldReader fields(image_, data, left_);
        if (fields.take<std::uint8_t>() != kOmitted) // landing pads count from the function's entry
            return false;
        const auto form = fields.take<std::uint8_t>();
        const bool relative = (form & ~kIndirect) == (kPcRelative | kSigned4);
        if (form != kOmitted && form != kAbsolute && !relative)
            return false;
        std::int64_t distance = form != kOmitted ? fields.leb(false) : 0;
        const Rva types = fields.at() + static_cast<std::uint32_t>(distance);
        const auto site_form = fields.take<std::uint8_t>();
        distance = fields.leb(false);
        if (!fields.good || site_form != kUleb || distance > kMaxLsda || !is_data(types))
            return false;
        const Rva actions = fields.at() + static_cast<std::uint32_t>(distance);
        std::int64_t most = 0;
        while (fields.at() < actions) {
            for (int place = 0; place < 3; ++place)
                fields.leb(false); // begin, size, landing pad
            const std::int64_t action = fields.leb(false);
            if (!fields.good || action > kMaxLsda)
                return false;
            if (action != 0)
                most = std::max(most, last_type(actions + static_cast<std::uint32_t>(action - 1)));
        }
        if (fields.at() != actions || most > kMaxHandlers)
            return false;
        for (std::uint32_t i = 1; relative && i <= most; ++i) {
            const Rva at{types.value - 4 * i};
            if (image_.read<std::uint32_t>(at).value_or(0) != 0) // 0 catches everything
                data_.words.push_back({at, at, (form & kIndirect) != 0});
        }
        return true;
    }

    /// The highest number of a type in a chain of actions. Negative ones are lists of what may be thrown.
    std::int64_t last_type(Rva action) {
        std::int64_t most = 0;
        for (std::uint32_t i = 0; i < kMaxHandlers; ++i) {
            FieldReader fields(image_, action, left_);
            most = std::max(most, fields.leb(true));
            const Rva from = fields.at();
            const std::int64_t next = fields.leb(true);
            if (!fields.good || next == 0)
                break;
            action = from + static_cast<std::uint32_t>(next);
        }
        return most;
    }

    const pe::Image& image_;
    std::vector<Rva> found_;
    AddressWords data_;  ///< of the handler's data at hand
    AddressWords words_; ///< of all
    std::size_t settle_at_ = std::size_t{1} << 16;
    std::uint64_t left_ = kMaxFields;
};

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
    code.data = reader.take_words();
    return code;
}

} // namespace suture::program
