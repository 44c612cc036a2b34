#include "patchgen/program/handler_data.hpp"

#include "patchgen/program/exception_data.hpp"
#include "patchgen/program/field_reader.hpp"
#include "patchgen/program/gxx_personality.hpp"
#include "patchgen/program/machine_code.hpp"
#include "patchgen/program/type_information.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace suture::program {

namespace {

using Kind = HandlerField::Kind;

/// Bounds against images that are no images: real functions have some hundred of each.
constexpr std::uint32_t kMaxScopes = 4096;
constexpr std::uint32_t kMaxStates = 65536;
constexpr std::uint32_t kMaxHandlers = 4096;
constexpr std::int64_t kMaxLsda = std::int64_t{1} << 20;
constexpr std::uint32_t kExecuteHandler = 1; // EXCEPTION_EXECUTE_HANDLER in place of a filter

// FuncInfo: its magic number in 29 bits, with flags of basic block transformations above.
constexpr std::uint32_t kMagicMask = 0x1fffffff;
constexpr std::uint32_t kOldestMagic = 0x19930520;
constexpr std::uint32_t kNewestMagic = 0x19930522;

// Encodings of pointers in GCC's exception data (Linux Standard Base, DWARF extensions).
constexpr std::uint8_t kOmitted = 0xff;
constexpr std::uint8_t kUleb = 0x01;
constexpr std::uint8_t kIndirectPcRelative4 = 0x9b;
constexpr std::uint8_t kAbsolute = 0x00;

struct KnownHandler {
    std::string_view name;
    HandlerForm form;
};
constexpr std::array kKnownHandlers{
    KnownHandler{"__C_specific_handler", HandlerForm::scopes},
    KnownHandler{"__CxxFrameHandler3", HandlerForm::frame_handler_3},
    KnownHandler{"__gxx_personality_seh0", HandlerForm::lsda},
    KnownHandler{"__gcc_personality_seh0", HandlerForm::lsda},
};

HandlerForm form_called(std::string_view name) {
    const auto* known = std::ranges::find(kKnownHandlers, name, &KnownHandler::name);
    return known != kKnownHandlers.end() ? known->form : HandlerForm::unknown;
}

/// The import that a function does nothing but jump to.
const pe::ImportSlot* import_behind(const Program& program, const Function& function) {
    const auto code = program.image().bytes_at(function.range.begin, function.range.size);
    const auto reads = code ? machine_code(program.image().machine()).reads_slot_to_jump(*code) : std::nullopt;
    const auto reference = std::ranges::find(function.references, reads, &Reference::instruction);
    return reads && reference != function.references.end() ? program.import_at(reference->target) : nullptr;
}

class HandlerReader {
  public:
    HandlerReader(const Program& program, const pe::RuntimeFunction& entry, std::uint64_t& left)
        : program_(program), image_(program.image()), entry_(entry.range), left_(left) {}

    Result<HandlerData> run(HandlerForm form, Rva data) {
        bool understood = false;
        if (form == HandlerForm::scopes)
            understood = read_scopes(data);
        else if (form == HandlerForm::frame_handler_3)
            understood = read_frame_handler_3(data);
        else if (form == HandlerForm::lsda)
            understood = read_lsda(data);
        if (!understood)
            return fail(Error(Code::exception_handler, why_.empty() ? "its data is not understood" : why_)
                            .in_image(program_.path())
                            .at(data));
        std::ranges::sort(result_.fields);
        const auto repeated = std::ranges::unique(result_.fields);
        result_.fields.erase(repeated.begin(), repeated.end());
        std::ranges::sort(result_.blocks);
        const auto same = std::ranges::unique(result_.blocks);
        result_.blocks.erase(same.begin(), same.end());
        const auto overlap =
            std::ranges::adjacent_find(result_.blocks, [](RvaRange a, RvaRange b) { return a.overlaps(b); });
        if (overlap != result_.blocks.end())
            return fail(Error(Code::exception_handler, "parts of its data overlap").in_image(program_.path()).at(data));
        return std::move(result_);
    }

  private:
    bool no(std::string why) {
        if (why_.empty())
            why_ = std::move(why);
        return false;
    }

    bool block(Rva at, std::uint64_t size) {
        const pe::Section* section = image_.section_at(at);
        if (!section || section->executable() || size > UINT32_MAX ||
            !section->range.contains(RvaRange{at, static_cast<std::uint32_t>(size)}) ||
            section->initialised_size() < (at - section->range.begin) + size)
            return false;
        result_.blocks.push_back({at, static_cast<std::uint32_t>(size)});
        return true;
    }

    bool field(Rva at, Kind kind, Rva target) {
        result_.fields.push_back({at, kind, target});
        return true;
    }

    /// Where the code of the function ends that `at` is in, with the fill that its unwind data covers.
    std::uint64_t end_of_code(Rva at) const {
        const Function* function = program_.function_at(at);
        std::uint64_t end = function ? function->range.end() : 0;
        for (std::size_t i = 0; function && i < function->unwind.size(); ++i)
            end = std::max(end, function->unwind[i].range.end());
        return end;
    }

    /// An RVA of code; of nothing where that is allowed.
    bool code(FieldReader& fields, bool may_be_none) {
        const Rva at = fields.at();
        const Rva target = fields.rva();
        if (target.value == 0)
            return fields.good && may_be_none;
        return fields.good && program_.function_at(target) && field(at, Kind::code, target);
    }

    bool read_scopes(Rva data) {
        FieldReader fields(image_, data, left_);
        const auto count = fields.take<std::uint32_t>();
        if (!fields.good || count > kMaxScopes || !block(data, 4 + 16 * std::uint64_t{count}))
            return false;
        for (std::uint32_t i = 0; i < count; ++i) {
            const Rva at = fields.at();
            const Rva begin = fields.rva(), end = fields.rva();
            if (!fields.good || end <= begin || end.value > end_of_code(begin))
                return false;
            field(at, Kind::code, begin);
            field(at + 4, Kind::code_end, end);
            if (image_.read<std::uint32_t>(fields.at()) == kExecuteHandler)
                fields.rva();
            else if (!code(fields, false))
                return false;
            if (!code(fields, true))
                return false;
        }
        return true;
    }

    /// FuncInfo and all that belongs to it (ehdata.h).
    bool read_frame_handler_3(Rva data) {
        FieldReader first(image_, data, left_);
        const Rva at = first.rva();
        if (!first.good || !block(data, 4))
            return false;
        field(data, Kind::block, at);
        FieldReader info(image_, at, left_);
        const auto magic = info.take<std::uint32_t>() & kMagicMask;
        if (!info.good || magic < kOldestMagic || magic > kNewestMagic)
            return false;
        const auto states = info.take<std::uint32_t>();
        const Rva unwind_map = part(info, states != 0);
        const auto tries = info.take<std::uint32_t>();
        const Rva try_map = part(info, tries != 0);
        const auto places = info.take<std::uint32_t>();
        const Rva place_map = part(info, places != 0);
        info.take<std::int32_t>(); // where the frame keeps the state
        if (magic > kOldestMagic && info.rva().value != 0)
            return no("it lists what the function may throw");
        if (magic == kNewestMagic)
            info.take<std::uint32_t>(); // flags
        if (!info.good || states > kMaxStates || tries > kMaxHandlers || places > kMaxStates ||
            !block(at, info.at() - at) || (states != 0 && !read_actions(unwind_map, states)) ||
            (places != 0 && !read_places(place_map, places)))
            return false;
        return tries == 0 || read_try_blocks(try_map, tries);
    }

    /// The RVA of another block; what is not used may lead anywhere.
    Rva part(FieldReader& fields, bool used) {
        const Rva at = fields.at();
        const Rva target = fields.rva();
        if (used && target.value != 0)
            field(at, Kind::block, target);
        return target;
    }

    bool read_actions(Rva at, std::uint32_t count) {
        FieldReader fields(image_, at, left_);
        for (std::uint32_t i = 0; i < count; ++i) {
            fields.take<std::int32_t>(); // the next state
            if (!code(fields, true))
                return false;
        }
        return block(at, 8 * std::uint64_t{count});
    }

    bool read_places(Rva at, std::uint32_t count) {
        FieldReader fields(image_, at, left_);
        Rva before;
        for (std::uint32_t i = 0; i < count; ++i) {
            const Rva place = image_.read<Rva>(fields.at()).value_or(Rva{});
            if (place < before || !code(fields, false))
                return no("its states do not lie in the order of its code");
            before = place;
            fields.take<std::int32_t>(); // the state there
        }
        return block(at, 8 * std::uint64_t{count});
    }

    bool read_try_blocks(Rva at, std::uint32_t count) {
        FieldReader fields(image_, at, left_);
        for (std::uint32_t i = 0; i < count; ++i) {
            for (int state = 0; state < 3; ++state)
                fields.take<std::int32_t>();
            const auto handlers = fields.take<std::uint32_t>();
            const Rva array = part(fields, handlers != 0);
            if (!fields.good || handlers > kMaxHandlers || (handlers != 0 && !read_catches(array, handlers)))
                return false;
        }
        return block(at, 20 * std::uint64_t{count});
    }

    bool read_catches(Rva at, std::uint32_t count) {
        FieldReader fields(image_, at, left_);
        for (std::uint32_t i = 0; i < count; ++i) {
            fields.take<std::uint32_t>(); // adjectives
            const Rva type = part(fields, true);
            if (type.value != 0 && !read_type(type))
                return false;
            fields.take<std::int32_t>(); // catch object
            if (!code(fields, false))
                return false;
            fields.take<std::int32_t>(); // frame
        }
        return fields.good && block(at, 20 * std::uint64_t{count});
    }

    /// Handlers tell types apart by what they are called: a copy of the description serves as well.
    bool read_type(Rva at) {
        constexpr std::uint32_t kNameAt = 16;
        const auto name = type_described_at(image_, at);
        if (!name || !pointer(at))
            return no("it catches a type whose description is not understood");
        return block(at, kNameAt + name->size() + 1);
    }

    /// The 8 bytes at `at` lead to something else.
    bool pointer(Rva at) {
        const auto target = program_.pointer_at(at);
        return target && !is_filled_in(at) && field(at, Kind::pointer, *target);
    }

    bool is_filled_in(Rva at) const {
        const auto fields = program_.runtime_fields();
        const auto next = std::ranges::lower_bound(fields, at, {}, &RvaRange::begin);
        const RvaRange range{at, 8};
        return (next != fields.end() && next->overlaps(range)) ||
               (next != fields.begin() && std::prev(next)->overlaps(range));
    }

    /// Call sites count from the entry of .pdata that covers them, and so do landing pads.
    bool read_lsda(Rva data) {
        FieldReader fields(image_, data, left_);
        if (fields.take<std::uint8_t>() != kOmitted)
            return no("its landing pads count from elsewhere");
        const auto form = fields.take<std::uint8_t>();
        if (form != kOmitted && form != kAbsolute && form != kIndirectPcRelative4)
            return no(fmt::format("its types are encoded as 0x{:02x}", form));
        std::int64_t distance = form != kOmitted ? fields.leb(false) : 0;
        if (distance < 0 || distance > kMaxLsda)
            return false;
        const Rva types = fields.at() + static_cast<std::uint32_t>(distance);
        const auto site_form = fields.take<std::uint8_t>();
        distance = fields.leb(false);
        if (!fields.good || site_form != kUleb || distance < 0 || distance > kMaxLsda)
            return false;
        const Rva actions = fields.at() + static_cast<std::uint32_t>(distance);
        end_ = std::max(actions, form != kOmitted ? types : actions);
        while (fields.at() < actions) {
            const std::int64_t begin = fields.leb(false), size = fields.leb(false), pad = fields.leb(false),
                               action = fields.leb(false);
            const std::int64_t whole = entry_.size;
            if (!fields.good || begin < 0 || size < 0 || begin > whole || size > whole - begin || pad < 0 ||
                pad >= whole)
                return no("its call sites reach beyond the function");
            if (action < 0 || action > kMaxLsda ||
                (action != 0 && !read_chain(actions + static_cast<std::uint32_t>(action - 1), types, form)))
                return false;
        }
        if (!fields.good || fields.at() != actions || last_type_ > kMaxHandlers ||
            (last_type_ != 0 && form == kOmitted))
            return false;
        for (std::uint32_t i = 1; i <= last_type_; ++i)
            if (!read_caught(types, i, form))
                return no("it catches a type whose description is not understood");
        return end_ - data <= kMaxLsda && block(data, end_ - data);
    }

    /// Actions: a number of a type or a list of types each, and how far the next one is.
    bool read_chain(Rva action, Rva types, std::uint8_t form) {
        for (std::uint32_t i = 0; i < kMaxHandlers; ++i) {
            FieldReader fields(image_, action, left_);
            const std::int64_t type = fields.leb(true);
            const Rva from = fields.at();
            const std::int64_t next = fields.leb(true);
            if (!fields.good || type > kMaxHandlers || type < -kMaxLsda || next > kMaxLsda || next < -kMaxLsda)
                return false;
            end_ = std::max(end_, fields.at());
            if (type > 0)
                last_type_ = std::max(last_type_, static_cast<std::uint32_t>(type));
            if (type < 0 && (form == kOmitted || !read_list(types + static_cast<std::uint32_t>(-type - 1))))
                return false;
            if (next == 0)
                return true;
            action = Rva{static_cast<std::uint32_t>(std::int64_t{from.value} + next)};
        }
        return false;
    }

    /// Types that may be thrown, ended by a 0.
    bool read_list(Rva at) {
        FieldReader fields(image_, at, left_);
        for (std::uint32_t i = 0; i < kMaxHandlers; ++i) {
            const std::int64_t type = fields.leb(false);
            if (!fields.good || type < 0 || type > kMaxHandlers)
                return false;
            end_ = std::max(end_, fields.at());
            if (type == 0)
                return true;
            last_type_ = std::max(last_type_, static_cast<std::uint32_t>(type));
        }
        return false;
    }

    bool read_caught(Rva types, std::uint32_t number, std::uint8_t form) {
        const std::uint32_t size = form == kAbsolute ? 8 : 4;
        if (types.value < size * number)
            return false;
        const Rva at = Rva{types.value - size * number};
        if (form == kAbsolute)
            return image_.read<std::uint64_t>(at) == std::uint64_t{0} || pointer(at);
        const auto word = image_.read<std::uint32_t>(at);
        if (!word || *word == 0) // 0 catches everything
            return word.has_value();
        const Rva cell = at + *word;
        if (is_filled_in(cell))
            return field(at, Kind::known, cell);
        return pointer(cell) && block(cell, 8) && field(at, Kind::distance, cell);
    }

    const Program& program_;
    const pe::Image& image_;
    RvaRange entry_;
    std::uint64_t& left_;
    HandlerData result_;
    std::string why_;
    Rva end_; ///< of the area, as far as it is known
    std::uint32_t last_type_ = 0;
};

} // namespace

HandlerForm form_of_handler(const Program& program, Rva handler) {
    const Function* function = program.function_at(handler);
    if (!function || function->range.begin != handler)
        return HandlerForm::unknown;
    if (const pe::ImportSlot* slot = import_behind(program, *function))
        return form_called(slot->name);
    for (const std::string& name : function->names)
        if (const HandlerForm form = form_called(name); form != HandlerForm::unknown)
            return form;
    return function->names.empty() && is_gxx_personality(program, *function) ? HandlerForm::lsda : HandlerForm::unknown;
}

Result<HandlerData> handler_data_of(const Program& program, HandlerForm form, const pe::RuntimeFunction& entry,
                                    Rva data, std::uint64_t& left) {
    return HandlerReader(program, entry, left).run(form, data);
}

} // namespace suture::program
