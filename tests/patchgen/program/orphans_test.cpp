#include "patchgen/program/orphans.hpp"
#include "tests/support/pe_builder.hpp"

#include <gmock/gmock.h>

namespace suture::program {
namespace {

using test::PeBuilder;
using testing::ElementsAre;
using testing::IsEmpty;

/// Code in slots of 16 bytes from 0x1000 on. What is known is put in the map; the rest is to be found.
struct OrphansTest : testing::Test {
    static constexpr std::uint32_t kSlot = 16;
    static Rva slot(std::size_t index) { return {0x1000 + static_cast<std::uint32_t>(index) * kSlot}; }

    void put(Bytes code) {
        code.resize(kSlot, 0xcc);
        code_.insert(code_.end(), code.begin(), code.end());
    }
    void put_known(Bytes code, std::string undecoded = {}, Source source = Source::pdata) {
        DecodedCode decoded;
        decoded.size = static_cast<std::uint32_t>(code.size());
        decoded.undecoded = std::move(undecoded);
        map_.starts.push_back({slot(slots()), decoded.size, End::exact, source});
        map_.codes.push_back(std::move(decoded));
        map_.tables.emplace_back();
        put(std::move(code));
    }
    /// `call to ; ret`
    void put_caller(Rva to) {
        Bytes code = {0xe8};
        test::append(code, to.value - (slot(slots()).value + 5));
        code.push_back(0xc3);
        put(std::move(code));
    }
    std::size_t slots() const { return code_.size() / kSlot; }

    std::vector<Rva> found() {
        PeBuilder pe;
        pe.section(".text", PeBuilder::kCode, code_);
        const Bytes file = pe.file();
        const pe::Image image = *pe::Image::parse(file, pe::Layout::file);
        map_.index_starts();
        std::vector<Rva> begins;
        const Orphans orphans = find_orphans(image, relocations_, std::nullopt, pointers_, map_);
        for (std::size_t i = 0; i < orphans.starts.size(); ++i) {
            EXPECT_EQ(orphans.starts[i].source, Source::gap);
            EXPECT_EQ(orphans.starts[i].limit, orphans.codes[i].size);
            begins.push_back(orphans.starts[i].begin);
        }
        return begins;
    }

    const Bytes kReturn = {0xc3};
    const Bytes kZero = {0x31, 0xc0, 0xc3}; // xor eax, eax ; ret
    const Bytes kNoCode = {0x06};
    Bytes code_;
    CodeMap map_;
    std::vector<pe::Relocation> relocations_;
    std::vector<Rva> pointers_;
};

TEST_F(OrphansTest, AreCodeBetweenKnownCodeThatNothingLeadsTo) {
    put_known(kReturn);
    put(kZero);
    put(kReturn);
    put_known(kReturn);
    put(kZero);
    EXPECT_THAT(found(), ElementsAre(slot(1), slot(2), slot(4)));
}

TEST_F(OrphansTest, MayCallEachOtherAndWhatIsKnown) {
    put_known(kReturn);
    put_caller(slot(0));
    put_caller(slot(3));
    put_caller(slot(1));
    EXPECT_THAT(found(), ElementsAre(slot(1), slot(2), slot(3)));
}

TEST_F(OrphansTest, AreNotWherePointersOrKnownCodeLead) {
    put_known(kReturn);
    put(kZero);
    put_known(kReturn);
    put(kZero);
    put_known(kReturn);
    put(kZero);
    pointers_ = {slot(1) + 2};
    Reference reference;
    reference.kind = ReferenceKind::rip_relative;
    reference.target = slot(3);
    map_.codes[0].references.push_back(reference);
    EXPECT_THAT(found(), ElementsAre(slot(5)));
}

TEST_F(OrphansTest, AreNotBesideWhatIsNoCode) {
    put_known(kReturn);
    put(kZero);
    put(kNoCode);
    put_known(kReturn);
    put(kZero);
    EXPECT_THAT(found(), ElementsAre(slot(4)));
}

TEST_F(OrphansTest, AreNotBesideRelocatedFields) {
    put_known(kReturn);
    put(kZero);
    put(Bytes(8, 0x90));
    put_known(kReturn);
    put(kZero);
    relocations_ = {{slot(2), 8}};
    EXPECT_THAT(found(), ElementsAre(slot(4)));
}

TEST_F(OrphansTest, AreNotBehindWhatIsNotUnderstood) {
    put_known(kReturn, "it is made up");
    put(kZero);
    put_known(kReturn, {}, Source::call_target); // perhaps a part of what is not understood
    put(kZero);
    put_known(kReturn);
    put(kZero);
    EXPECT_THAT(found(), ElementsAre(slot(5)));
}

TEST_F(OrphansTest, DoNotLeadIntoWhatIsNotUnderstood) {
    put_known(kReturn);
    put(kZero);
    put_caller(slot(0) + 8); // fill
    put_caller(slot(2));
    EXPECT_THAT(found(), ElementsAre(slot(1)));
}

TEST_F(OrphansTest, OfALongChainThatLeadsNowhereAreAllLeftOut) {
    constexpr std::size_t kMostPasses = 64;
    for (const std::size_t links : {kMostPasses, kMostPasses + 1}) {
        code_.clear();
        map_ = {};
        put_known(kReturn);
        put(kZero);
        put_caller(slot(0) + 8);
        while (slots() < links + 2)
            put_caller(slot(slots() - 1));
        if (links == kMostPasses)
            EXPECT_THAT(found(), ElementsAre(slot(1)));
        else
            EXPECT_THAT(found(), IsEmpty());
    }
}

} // namespace
} // namespace suture::program
