#pragma once

#include "patchgen/diff/pairing.hpp"

#include <map>
#include <set>
#include <unordered_map>

namespace suture::diff {

/// A function of the baseline and one of the updated image: indices.
using Edge = std::pair<std::uint32_t, std::uint32_t>;

/// Decides whether what lies at two addresses is the same thing: writable data by identity, read-only data by content,
/// followed through pointers.
///
/// How far a reference reaches: a sized read, just its bytes. Text, to its NUL. An object of known size, all of it.
/// Where the size is not known: to the next address that is referred to, and on through following unnamed ones, since
/// those may lie inside the same object; on to the next name or the end of the section at most.
class Contents {
  public:
    explicit Contents(const Pairing& pairing) : pairing_(pairing) {}

    /// A comparison that was begun, with all that it depends on.
    using Node = std::uint32_t;

    /// What a reference to data means. Addresses must lie in data objects of both images. `size` is that of a sized
    /// read, or 0 where the address is taken.
    Node compare(Rva baseline, Rva updated, std::uint32_t size);
    /// Likewise where code counts from the address.
    Node compare_counted(Rva baseline, Rva updated);
    bool same(Node node) const { return nodes_[node].same; }
    bool same(Rva baseline, Rva updated, std::uint32_t size) { return same(compare(baseline, updated, size)); }
    /// Initial content of a pair of objects, pointers followed, where both hold it: `size` bytes.
    bool same_initial(Rva baseline, Rva updated, std::uint32_t size);
    /// What two relocated fields point to.
    bool same_pointers(Rva baseline_field, Rva updated_field);
    /// What a node is made for.
    struct Question {
        Rva baseline;
        Rva updated;
        std::uint32_t size = 0;
        bool initial = false;
        bool counted = false; ///< code adds to the address: what lies behind a text may be more of the same table

        bool operator==(const Question&) const = default;
    };
    /// What something being the same depends on.
    struct Dependence {
        std::vector<Question> questions;
        std::vector<Edge> inner; ///< functions into whose middle it leads
    };
    /// False where two relocated fields, or two words that stand for addresses, lead to different things whatever
    /// comes of what they depend on.
    bool may_be_same_pointers(Rva baseline_field, Rva updated_field, Dependence& on) const {
        return same_pointer(on, baseline_field, updated_field);
    }
    bool may_be_same_words(const program::AddressWord& baseline, const program::AddressWord& updated,
                           Dependence& on) const {
        return same_word(on, baseline, updated);
    }
    /// By object of the updated image: whether what follows, as far as it may be part of it, is not known to be the
    /// same by what was compared until now. Nothing else needs a comparison that counts.
    std::vector<bool> may_differ_behind() const;
    /// A node for a question whose answer is not needed yet; settle() answers all of them, side by side.
    Node ask(const Question& question);
    void settle();
    /// Makes all content unequal that points into the middle of functions which turned out to differ.
    void differ(const std::set<Edge>& functions);

    /// Bytes that belong to the thing at `at`: the object, or as much of it as may follow.
    struct Extent {
        std::uint32_t size = 0;
        bool text = false;  ///< one NUL-terminated string
        bool exact = false; ///< nothing behind it can belong to it
    };
    static Extent extent_of(const match::Places& places, Rva at);
    /// Bytes of the text at `at` with its NUL, or as many as there are up to the next address: whoever gets further
    /// from there counts. 0 where names or the linker say what belongs to it.
    static std::uint32_t countable_from(const match::Places& places, Rva at);
    /// Whether the object `next`, right behind `before`, may be reached from an address in that: it has no name of its
    /// own, or nobody has its address, and `before` is nothing but an address, as where a table is used from before
    /// its begin.
    static bool may_go_on(const match::Places& places, const program::DataObject& before,
                          const program::DataObject& next);
    /// What the 4-byte words of something that nothing is known of could be added to, so that each leads to something
    /// that is known: RVA 0, or its own begin; nothing if that would be accident.
    static std::optional<Rva> base_of_words(const match::Places& places, RvaRange range);

  private:
    struct Entry {
        Question question;
        bool same = true;
        std::vector<Node> children;
        std::vector<Edge> inner; ///< functions into whose middle it points
    };
    /// What looking at the two places of a question tells.
    struct Expansion : Dependence {
        bool same = true;
    };

    struct QuestionHash {
        std::size_t operator()(const Question& question) const {
            // An odd factor with bits all over: 2^64 divided by the golden ratio.
            constexpr std::uint64_t kFactor = 0x9e37'79b9'7f4a'7c15;
            const std::uint64_t places = std::uint64_t{question.baseline.value} << 32 | question.updated.value;
            const std::uint64_t extent =
                std::uint64_t{question.size} << 2 | std::uint64_t{question.counted} << 1 | (question.initial ? 1 : 0);
            const std::uint64_t mixed = (places ^ extent * kFactor) * kFactor;
            return mixed ^ mixed >> 32;
        }
    };

    /// Makes what depends on `unequal` unequal too, as far as nodes from `first` on are concerned.
    void spread(const std::vector<Node>& unequal, std::size_t first);
    Expansion expand(const Question& question) const;
    bool expand_address(Dependence& on, const Question& question) const;
    void go_on_behind_text(Dependence& on, const Question& question) const;
    /// `size` bytes at both addresses, pointers as children.
    bool same_bytes(Dependence& on, Rva baseline, Rva updated, std::uint32_t size) const;
    bool same_pointer(Dependence& on, Rva baseline, Rva updated) const;
    bool same_word(Dependence& on, const program::AddressWord& baseline, const program::AddressWord& updated) const;
    bool same_target(Dependence& on, Rva baseline, Rva updated) const;
    bool same_type_behind(Dependence& on, const Question& question) const;
    bool same_perhaps_addresses(Dependence& on, const Question& question, std::uint32_t size) const;
    bool is_type_pointer(const match::Places& places, Rva at) const;

    const Pairing& pairing_;
    std::vector<Entry> nodes_;
    std::unordered_map<Question, Node, QuestionHash> index_;
    std::size_t settled_ = 0;
};

} // namespace suture::diff
