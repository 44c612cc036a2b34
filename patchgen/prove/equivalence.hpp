#pragma once

#include "patchgen/program/texts.hpp"
#include "patchgen/prove/key_set.hpp"
#include "patchgen/prove/overlay.hpp"
#include "patchgen/prove/prove.hpp"

#include <deque>
#include <set>

namespace suture::prove {

/// Where entry `index` of a table with these entries leads, or nothing for a table of an unknown form.
std::optional<Place> entry_of(const program::JumpTable& table, ByteView entries, std::size_t index, Place base);

/// Something of the updated image and something of the patched program that must mean the same.
struct Goal {
    Rva updated;
    Place place;
    program::Use use = program::Use::address;
    std::uint32_t access_size = 0;               ///< bytes, for read and write
    const program::Function* referrer = nullptr; ///< function of the updated image that refers to it
    Rva at;                                      ///< where in the updated image it is referred to
    /// Arm64: registers that hold different values when control arrives there.
    arm64::Registers different = 0;
    bool goes_on = false;     ///< what lies behind something whose end is not known for certain
    bool of_baseline = false; ///< what refers to it in the patched program is the baseline's own
};

/// The relation "means the same" between addresses of the updated image and of the patched program, built up from
/// goals: each pair is compared, and what its two sides refer to becomes a goal. Holds if no pair is found different.
class Equivalence {
  public:
    /// `may_differ`: variables of the updated image whose initial value need not be the baseline's.
    Equivalence(const program::Program& updated, const Overlay& overlay, std::set<Rva> may_differ);

    /// Compares a pair, and all that follows from it. Error: proof_failed.
    Result<void> prove(const Goal& goal);
    /// Compares the language-specific handlers of the code that is emitted, what they are given, and the code that only
    /// exceptions lead to. To be called again when more is known to be emitted. Error: proof_failed.
    Result<void> prove_handlers();
    /// Goals that were put off because they may mean the end of something: to be called when no further ones come.
    Result<void> prove_ends();
    /// Data of the package that holds addresses and that no goal has led to: it must go on where other data ends.
    Result<void> prove_rest();

    /// The updated function whose code runs when `entry` of the baseline is called, if some goal led there.
    const program::Function* proved_at(Rva baseline_entry) const;
    /// Code of the package that has been compared, ascending.
    const std::map<Rva, const program::Function*>& emitted() const { return emitted_; }
    /// Arm64: code of the package that stands for single instructions, by its first byte.
    struct Veneer {
        std::uint32_t size = 0;        ///< bytes
        Rva owner;                     ///< entry in the package of the function that it serves
        std::uint32_t instruction = 0; ///< offset in that function of what it stands for

        bool operator==(const Veneer&) const = default;
    };
    const std::map<Rva, Veneer>& veneers() const { return veneers_; }
    /// Jump tables that lie in code of the package beside the function that they belong to: first byte, and bytes.
    const std::map<Rva, std::uint32_t>& tables_in_code() const { return tables_in_code_; }
    /// Fields of the package, adjusted to the bases, whose meaning has been compared.
    const std::set<Rva>& used_fields() const { return used_fields_; }
    const Proof& counts() const { return counts_; }
    /// Compares the unwind data of the emitted functions with that of the updated image. Error: proof_failed.
    Result<void> prove_unwind_data() const;
    /// Compares what control-flow guard is told of with what the updated image's table lists. To be called when all
    /// else is proved. Error: proof_failed.
    Result<void> prove_call_targets() const;

  private:
    std::unexpected<Error> failed(const Goal& goal, std::string detail) const;
    std::unexpected<Error> no_code(const program::Function& function, Place entry) const;
    Result<void> run();
    /// Puts a goal in line, unless one like it has been there.
    void follow(const Goal& goal);
    void follow(const Goal& goal, bool may_be_end);
    Result<void> settle(const Goal& goal);
    Result<void> settle_code(const Goal& goal, const program::Function& function);
    Result<void> settle_import(const Goal& goal, const pe::ImportSlot& slot);
    Result<void> settle_data(const Goal& goal);
    Result<void> settle_table(const Goal& goal, const program::JumpTable& table);
    void go_on_behind(const Goal& goal, const program::DataObject& object);
    bool goes_on_as_data(RvaRange object) const;
    Result<void> settle_behind(const Goal& goal);
    void note_begin(const Goal& goal);
    bool begins_elsewhere(const Goal& goal) const;
    Result<void> pair_writable(const Goal& goal, RvaRange object, Place begin);
    bool may_be_an_end(const Goal& goal) const;
    bool is_proved_end(const Goal& goal) const;

    /// Where the code of a function leads to outside of it, in both worlds.
    using Led = std::vector<std::pair<Rva, Place>>;
    /// Where control may enter a function: offsets, each with the registers that may then hold different values.
    struct Entries {
        std::map<std::uint32_t, arm64::Registers> ways;
        std::set<std::uint32_t> taken;     ///< offsets whose address has been met
        std::set<std::uint32_t> jumped_to; ///< offsets that branches of other functions lead to
        std::set<std::uint32_t> caught;    ///< offsets at which code goes on after an exception
        arm64::Registers thrown = 0;       ///< found: these hold different values where an exception may begin
    };

    /// x64 code that waits for being compared: of an updated function, and what stands for it.
    struct CodePair {
        const program::Function* function;
        Place entry;
    };
    /// What the comparison of such a pair found. It depends on the images alone: pairs are compared side by side.
    struct Compared {
        struct Meeting {
            Goal goal;
            bool is_table = false;    ///< of the function itself: compared as a whole
            bool may_be_end = false;  ///< see may_be_an_end()
            bool is_possible = false; ///< of bytes that are perhaps no instruction
        };
        std::vector<Meeting> meetings; ///< where its code leads to outside of it, in order
        std::vector<Rva> used_fields;
        std::vector<Goal> fronts; ///< addresses that it takes in front of which something may differ
        std::optional<Error> error;
    };
    /// Compares the code that waits, and takes what was found in the order in which it came.
    Result<void> compare_waiting();
    Result<void> take(const CodePair& pair, Compared& compared);
    Compared compare_pair(const CodePair& pair) const;

    /// Arm64: code of an updated function and of what stands for it.
    Result<void> compare_arm64_code(const program::Function& function, Place entry, Entries& entries);
    Result<void> note_code(const Goal& goal, const program::Function& function, Place entry);
    Result<void> compare_instructions(const program::Function& function, Place entry, ByteView updated_code,
                                      ByteView code, Compared& compared) const;
    void meet_possible(const program::Function& function, Place entry, ByteView code, std::uint32_t from,
                       Compared& compared) const;
    void meet(const Goal& goal, Compared& compared) const;
    static Key key_of(const Goal& goal);
    bool may_differ_in_front(const Goal& goal) const;
    std::uint32_t near_front(const Goal& goal) const;
    bool is_proved_in_front(const Goal& goal) const;
    std::uint32_t bytes_in_front(const Goal& goal) const;
    Result<void> prove_fronts();
    Result<void> compare_arm64_instructions(const program::Function& function, Place entry, ByteView updated_code,
                                            Entries& entries, Led& led_to, arm64::Registers& different);
    Result<void> follow_page(const program::Function& function, Rva page);
    Result<void> compare_tables(const program::Function& function, Place entry, const Led& led_to,
                                arm64::Registers different);
    /// False if such a pair has been compared before.
    bool note_data(Rva updated, Place place, std::uint32_t size);
    Result<void> follow_word(const Goal& goal, const program::AddressWord& word, Place place);
    Result<void> compare_data(const Goal& goal, Rva updated, Place place, std::uint32_t size);
    Result<void> compare_unwind(const program::Function& function, const pe::RuntimeFunction& from,
                                const pe::RuntimeFunction& to) const;
    Result<void> compare_arm64_unwind(const program::Function& function, const pe::RuntimeFunction& from,
                                      const pe::RuntimeFunction& to) const;
    Result<void> prove_veneer_unwind_data(std::size_t& count) const;
    Result<void> compare_handler(const program::Function& function, Rva at, const pe::RuntimeFunction& from,
                                 const pe::RuntimeFunction& to);
    const program::Function* emitted_around(Rva ours, Rva theirs) const;
    Result<void> follow_code(const Goal& goal, Rva ours, Rva theirs);
    Result<void> follow_caught(const Goal& goal, const std::vector<std::pair<Rva, Rva>>& places);
    Result<void> follow_type(const Goal& goal, Rva ours, Place theirs);
    Result<void> follow_descriptor(const Goal& goal, Rva ours, Rva theirs);
    Result<void> follow_distance(const Goal& goal, Rva ours, Rva theirs);
    Result<void> follow_places(const Goal& goal, const program::Function& function, Rva at,
                               const std::vector<std::pair<Rva, Rva>>& places);
    std::uint32_t extent_of(const Goal& goal, RvaRange object, bool size_known) const;
    std::uint32_t up_to_literals(const Goal& goal, std::uint32_t size) const;

    const program::Program& updated_;
    const Overlay& overlay_;
    program::Texts updated_texts_;
    program::Texts baseline_texts_;
    bool is_arm64_;
    std::set<Rva> may_differ_;
    std::map<Rva, const package::Replacement*> redirected_; ///< by baseline entry
    std::map<Rva, const program::JumpTable*> tables_;       ///< of the updated image by begin
    std::set<Rva> patches_;                                 ///< entries of replacements in the package
    std::deque<Goal> goals_;
    std::vector<CodePair> waiting_;
    KeySet followed_;
    std::vector<Goal> put_off_;
    std::vector<Goal> fronts_; ///< what may be counted back from, to be looked at when everything else has been
    std::vector<Goal> behind_; ///< what may go on there, to be looked at when it is known what begins there
    /// Where the baseline's own references to an object of the updated image lead; nothing where they differ.
    std::map<Rva, std::optional<Place>> begins_;
    // Arm64, by entry:
    std::map<Rva, std::set<std::uint32_t>> labels_;    ///< offsets that pointers lead to
    std::map<Rva, std::set<std::uint32_t>> jumped_to_; ///< offsets that branches of other functions lead to
    std::map<Rva, arm64::Callee> callees_; ///< those that were asked for
    std::set<Rva> pages_;                  ///< that were followed as a whole
    std::map<std::tuple<Rva, Place>, Entries> code_pairs_;
    KeySet data_pairs_;
    std::map<Rva, std::pair<Place, std::uint32_t>> objects_;  ///< where objects of the updated image are, with size
    std::map<Place, std::pair<Rva, std::uint32_t>> writable_; ///< what lies there of the updated image, with size
    std::map<Rva, const program::Function*> redirected_to_;   ///< by baseline entry
    std::map<Rva, const program::Function*> emitted_;         ///< by entry in the package
    /// Of emitted_, those whose handlers were compared, and (Arm64) which registers held different values then where an
    /// exception may begin.
    std::map<Rva, arm64::Registers> handlers_seen_;
    /// Fields of exception data that may still be compared: tables that functions share are looked at for each.
    std::uint64_t handler_fields_left_ = std::uint64_t{1} << 24;
    std::set<std::pair<Rva, Rva>> handled_; ///< entries of unwind data whose handler is proved: where they begin
    std::map<Rva, Veneer> veneers_;
    std::map<Rva, std::uint32_t> tables_in_code_;
    std::map<Rva, Place> taken_; ///< where the address of an updated function leads
    std::set<Rva> used_fields_;
    Proof counts_;
};

} // namespace suture::prove
