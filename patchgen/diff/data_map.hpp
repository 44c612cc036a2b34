#pragma once

#include "patchgen/match/matcher.hpp"

#include <unordered_map>

namespace suture::diff {

/// Where a data object of the updated image is in the baseline.
struct Counterpart {
    enum class Kind : std::uint8_t {
        paired,  ///< at `baseline`
        fresh,   ///< nowhere: the baseline has no such object
        unknown, ///< the evidence does not say, or contradicts itself: see `detail`
    };
    Kind kind = Kind::unknown;
    Rva baseline;
    std::string detail;
};

/// Which data object of the baseline is which of the updated image: by name, else by what the references of functions
/// with the same code agree on, else by place between objects that are paired. For writable data, where identity is
/// what counts, one vote against a pair unmakes it. For read-only data the content decides, and this only says where
/// to look.
class DataMap {
  public:
    DataMap(const match::Places& baseline, const match::Places& updated, const match::Matching& functions);

    /// Counterpart of the updated object with this index.
    const Counterpart& counterpart(std::uint32_t updated) const { return counterparts_[updated]; }
    /// The updated object of the baseline object with this index; ~0 where there is none.
    std::uint32_t updated_of(std::uint32_t baseline) const { return to_updated_[baseline]; }
    /// Baseline objects that references pair with the updated object, ascending.
    std::span<const std::uint32_t> votes(std::uint32_t updated) const { return updated_votes_[updated]; }
    /// The one object of the updated image that all references pair the baseline object with, if they pair that one
    /// with no other; ~0 where there is none.
    std::uint32_t sole_vote(std::uint32_t baseline) const;
    /// Likewise, for an object of the updated image.
    std::uint32_t sole_baseline_vote(std::uint32_t updated) const;
    /// True if references pair either object with others only: then one being behind another in memory says nothing.
    bool contradicted(std::uint32_t baseline, std::uint32_t updated) const;
    /// True if references pair the object with one of the other image that begins there too: it is inside of nothing.
    bool begins_in_both(bool of_baseline, std::uint32_t index) const {
        return !(of_baseline ? baseline_votes_ : updated_votes_)[index].empty();
    }

  private:
    void collect_votes(const match::Matching& functions);
    struct ObjectPair {
        std::uint32_t baseline = 0;
        std::uint32_t updated = 0;
    };
    std::vector<ObjectPair> objects_of(std::uint32_t baseline, std::uint32_t updated) const;
    std::optional<ObjectPair> objects_at(Rva baseline, Rva updated) const;
    void vote(ObjectPair objects, std::uint32_t voter);
    void pair(std::uint32_t baseline, std::uint32_t updated);
    void by_names();
    void by_votes();
    void by_place();
    void unmake_shifted();
    std::string shifted(std::uint32_t baseline, std::uint32_t updated) const;
    /// By object: the nearest ones that have counterparts, in the same section.
    struct Neighbours {
        std::vector<std::uint32_t> before;
        std::vector<std::uint32_t> behind;
    };
    static Neighbours neighbours(const std::vector<std::uint32_t>& counterparts, const match::Places& places);
    static bool stays(const Neighbours& here, std::uint32_t object, const std::vector<std::uint32_t>& counterparts,
                      const Neighbours& there, const match::Places& places, const match::Places& other);
    bool moves_along(std::uint32_t baseline, std::uint32_t updated, const Neighbours& neighbours) const;
    bool tells_by_content(std::uint32_t baseline, std::uint32_t updated) const;
    void by_enclosing_objects();
    void by_enclosing_object(std::uint32_t updated, std::uint32_t before, std::uint32_t after);
    bool compatible(std::uint32_t baseline, std::uint32_t updated) const;
    std::string describe_votes(std::uint32_t updated) const;

    const match::Places& baseline_places_;
    const match::Places& updated_places_;
    std::span<const program::DataObject> baseline_;
    std::span<const program::DataObject> updated_;
    std::vector<std::vector<std::uint32_t>> baseline_votes_;
    std::vector<std::vector<std::uint32_t>> updated_votes_;
    std::vector<std::uint32_t> to_updated_;  ///< by baseline object
    std::vector<std::uint32_t> to_baseline_; ///< by updated object
    std::vector<Counterpart> counterparts_;  ///< by updated object
    /// Functions of the baseline whose references speak for a pair.
    struct Voters {
        std::uint32_t first = 0;
        bool several = false;
    };
    std::unordered_map<std::uint64_t, Voters> pairs_seen_; ///< pairs of objects with votes
};

} // namespace suture::diff
