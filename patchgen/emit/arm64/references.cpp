#include "patchgen/emit/arm64/references.hpp"

#include "engine/isa/arm64/immediates.hpp"
#include "patchgen/emit/arm64/aim.hpp"
#include "patchgen/emit/arm64/pages.hpp"
#include "patchgen/emit/arm64/veneer_writer.hpp"

#include <algorithm>

namespace suture::emit::arm64 {

namespace {

using diff::EmittedFunction;
using isa::arm64::Form;
using program::Reference;
using program::ReferenceKind;

constexpr std::uint32_t kB = 0x14000000;
constexpr std::uint32_t kInPage = 0xfff;

class Writer {
  public:
    Writer(const Destinations& destinations, const EmittedFunction& function, Fields& fields)
        : destinations_(destinations), emitted_(function), function_(*function.updated), fields_(fields),
          at_(destinations.layout().functions.at(function_.range.begin)),
          veneers_(destinations.updated(), function_, destinations.layout().veneers_at(function_)) {}

    Result<void> run() {
        for (std::size_t i = 0; i < function_.references.size(); ++i) {
            Address to;
            if (function_.references[i].kind != ReferenceKind::arm64_page21) {
                SUTURE_TRY(to, destinations_.of_reference(emitted_, i));
            }
            addresses_.push_back(to);
        }
        const Veneers* known = destinations_.layout().veneers_of(function_);
        if (known)
            apart_ = known->instructions();
        pages_ = plan_pages(function_, addresses_, apart_);
        for (std::size_t i = 0; i < function_.references.size(); ++i)
            SUTURE_CHECK(write(function_.references[i], addresses_[i]));
        if (veneers_.veneers().parts.empty())
            return {};
        if (known && known->same_shape(veneers_.veneers()))
            std::ranges::copy(veneers_.veneers().code,
                              fields_.text.begin() + (destinations_.layout().veneers_at(function_) - text()));
        fields_.veneers.push_back(veneers_.veneers());
        fields_.fixups.insert(fields_.fixups.end(), veneers_.fixups().begin(), veneers_.fixups().end());
        return {};
    }

  private:
    Rva text() const { return destinations_.layout().text.rva; }

    std::unexpected<Error> refuse(const Reference& reference, Code code, std::string detail) const {
        return fail(destinations_.error(code, function_.range.begin + reference.offset, &function_, std::move(detail)));
    }

    Result<void> write(const Reference& reference, Address to) {
        const Rva field = at_ + reference.offset;
        if (reference.kind == ReferenceKind::absolute) {
            fields_.put_pointer(fields_.text, text(), field, to);
            return {};
        }
        const std::uint32_t word = *ByteView(fields_.text).read<std::uint32_t>(field - text());
        if (reference.kind == ReferenceKind::arm64_page21) {
            const auto page = pages_.by_adrp.find(reference.offset);
            if (page == pages_.by_adrp.end())
                return refuse(reference, Code::reference_unresolved, "nothing says what uses the page of an adrp");
            to = page->second;
        }
        if (!apart_.contains(reference.offset) && !pages_.parted.contains(reference.offset)) {
            const auto direct = put_address(reference, word, field, to);
            if (direct) {
                Fields::put(fields_.text, field - text(), *direct);
                return {};
            }
        }
        const auto veneer = veneers_.add(word, reference.offset, field, to);
        if (!veneer)
            return refuse(reference, veneer.error().code(), veneer.error().detail());
        const bool conditional =
            reference.kind == ReferenceKind::arm64_branch19 || reference.kind == ReferenceKind::arm64_branch14;
        const auto branch = aim(conditional ? word : kB, field, {true, *veneer}, fields_.fixups);
        if (!branch)
            return refuse(reference, Code::reference_out_of_reach, "its veneer lies too far behind it");
        Fields::put(fields_.text, field - text(), *branch);
        return {};
    }

    /// The instruction with its address in it, or nothing if it cannot hold that.
    std::optional<std::uint32_t> put_address(const Reference& reference, std::uint32_t word, Rva field, Address to) {
        if (reference.kind == ReferenceKind::arm64_low12_add || reference.kind == ReferenceKind::arm64_low12_load) {
            const auto form = isa::arm64::form_of(word);
            return form == Form::add12 || form == Form::ldst12 ? isa::arm64::put(*form, word, to.rva.value & kInPage)
                                                               : std::nullopt;
        }
        return aim(word, field, to, fields_.fixups);
    }

    const Destinations& destinations_;
    const EmittedFunction& emitted_;
    const program::Function& function_;
    Fields& fields_;
    Rva at_;
    VeneerWriter veneers_;
    std::vector<Address> addresses_; ///< parallel to the references; of an adrp without meaning
    std::set<std::uint32_t> apart_;
    Pages pages_;
};

} // namespace

Result<void> write_references(const Destinations& destinations, const EmittedFunction& function, Fields& fields) {
    return Writer(destinations, function, fields).run();
}

} // namespace suture::emit::arm64
