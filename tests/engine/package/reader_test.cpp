#include "engine/package/assemble.hpp"
#include "engine/package/hotp_section.hpp"
#include "engine/package/limits.hpp"
#include "engine/package/reader.hpp"
#include "engine/pe/checksum.hpp"
#include "engine/pe/raw/headers.hpp"
#include "tests/engine/package/sample_contents.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <set>

namespace suture::package {

namespace {

using namespace test;

// Layout of the headers, as docs/format.md has it.
constexpr std::uint64_t kOptionalAt = 0x58;
constexpr std::uint64_t kCertificatesAt = 0xe8;
constexpr std::uint64_t kSectionsAt = 0x148;

template <class T>
void put(Bytes& file, std::uint64_t at, const T& value) {
    std::memcpy(file.data() + at, &value, sizeof(T));
}

Code code_of(const Bytes& file) {
    const auto package = Package::parse(file);
    return package ? Code::file_unreadable : package.error().code();
}

bool is_refusal_of_a_package(Code code) {
    static const std::set<Code> codes = {
        Code::package_damaged, Code::package_malformed, Code::package_not_a_hotpatch, Code::package_version_unsupported,
        Code::pe_bad_header,   Code::pe_truncated,      Code::pe_machine_unsupported, Code::pe_bad_directory};
    return codes.contains(code);
}

/// Appends a certificate table as signing tools do.
Bytes with_certificates(Bytes file, std::uint32_t size) {
    put(file, kCertificatesAt, static_cast<std::uint32_t>(file.size()));
    put(file, kCertificatesAt + 4, size);
    file.resize(file.size() + size, 0x5a);
    put(file, kOptionalAt + offsetof(pe::raw::OptionalHeader64, checksum),
        pe::checksum_of(file, {kOptionalAt + offsetof(pe::raw::OptionalHeader64, checksum)}));
    return file;
}

TEST(Reader, RefusesEverySingleBitFlip) {
    for (const Contents& contents : {one_function(), everything()}) {
        Bytes file = *write_package(contents);
        for (std::size_t i = 0; i < file.size(); ++i) {
            for (unsigned bit = 0; bit < 8; ++bit) {
                const auto mask = static_cast<std::uint8_t>(1u << bit);
                file[i] ^= mask;
                ASSERT_TRUE(is_refusal_of_a_package(code_of(file))) << "byte " << i << " bit " << bit;
                file[i] ^= mask;
            }
        }
        EXPECT_TRUE(Package::parse(file));
    }
}

TEST(Reader, RefusesEveryOtherValueOfAHeaderByte) {
    Bytes file = *write_package(one_function());
    for (std::size_t i = 0; i < 0x200; ++i) {
        for (unsigned value = 1; value < 256; ++value) {
            file[i] ^= static_cast<std::uint8_t>(value);
            ASSERT_TRUE(is_refusal_of_a_package(code_of(file))) << "byte " << i;
            file[i] ^= static_cast<std::uint8_t>(value);
        }
    }
}

TEST(Reader, RefusesEveryTruncation) {
    const Bytes file = *write_package(one_function());
    for (std::size_t size = 0; size < file.size(); ++size)
        ASSERT_FALSE(Package::parse(ByteView(file.data(), size))) << size;
}

TEST(Reader, RefusesEveryExtension) {
    const Bytes file = *write_package(one_function());
    for (const std::uint8_t fill : Bytes{0x00, 0xff}) {
        Bytes longer = file;
        for (int i = 0; i < 1030; ++i) {
            longer.push_back(fill);
            ASSERT_EQ(code_of(longer), Code::package_damaged) << i;
            if (i % 8 == 7) {
                Bytes checked = longer;
                reseal(checked);
                ASSERT_EQ(code_of(checked), Code::package_damaged) << i;
            }
        }
    }
}

TEST(Reader, TakesACertificateTableAtTheEndOfTheFile) {
    const Bytes unsigned_file = *write_package(one_function());
    const Bytes file = with_certificates(unsigned_file, 0x50);
    const auto package = Package::parse(file);
    ASSERT_TRUE(package) << package.error().message();
    EXPECT_EQ(package->certificates().value, unsigned_file.size());
    EXPECT_EQ(package->certificates_size(), 0x50u);
    EXPECT_EQ(package->manifest(), one_function().manifest);
    EXPECT_EQ(package->digest(), Package::parse(unsigned_file)->digest());
}

TEST(Reader, RefusesFlipsInASignedPackage) {
    Bytes file = with_certificates(*write_package(one_function()), 0x50);
    for (std::size_t i = 0; i < file.size(); ++i) {
        file[i] ^= 0x10;
        ASSERT_TRUE(is_refusal_of_a_package(code_of(file))) << i;
        file[i] ^= 0x10;
    }
    // With CheckSum put right, what the signature itself does not cover may differ, and nothing else.
    const std::size_t covered = file.size() - 0x50;
    constexpr FileOffset kCheckSum{kOptionalAt + offsetof(pe::raw::OptionalHeader64, checksum)};
    for (std::size_t i = 0; i < file.size(); ++i) {
        Bytes changed = file;
        changed[i] ^= 0x10;
        put(changed, kCheckSum.value, pe::checksum_of(changed, kCheckSum));
        const bool is_checksum = i >= kCheckSum.value && i < kCheckSum.value + 4;
        ASSERT_EQ(Package::parse(changed).has_value(), is_checksum || i >= covered) << i;
    }
}

TEST(Reader, RefusesACertificateTableElsewhere) {
    const Bytes file = *write_package(one_function());
    const auto end = static_cast<std::uint32_t>(file.size());
    struct Case {
        const char* what;
        std::uint32_t at, size, appended;
    };
    for (const Case& c : {
             Case{"no table where the entry has an address", end, 0, 0},
             Case{"no address where the entry has a size", 0, 8, 8},
             Case{"longer than what follows", end, 16, 8},
             Case{"bytes behind the table", end, 8, 16},
             Case{"not aligned", end, 12, 12},
             Case{"a gap before it", end + 8, 8, 16},
             Case{"inside the sections", end - 0x200, 0x200, 0},
             Case{"the end wraps around", end, 0xfffffff8u, 8},
         }) {
        Bytes changed = file;
        put(changed, kCertificatesAt, c.at);
        put(changed, kCertificatesAt + 4, c.size);
        changed.resize(changed.size() + c.appended);
        constexpr FileOffset kCheckSum{kOptionalAt + offsetof(pe::raw::OptionalHeader64, checksum)};
        put(changed, kCheckSum.value, pe::checksum_of(changed, kCheckSum));
        EXPECT_EQ(code_of(changed), Code::package_damaged) << c.what;
    }
}

// Whoever makes a package can make its digest right; the tables behind it are as little trusted as before.

TEST(Reader, RefusesEveryChangeOfTheHeadersThatIsSealedAgain) {
    const Bytes file = *write_package(everything());
    for (std::size_t i = 0; i < 0x400; ++i) {
        for (const std::uint8_t mask : Bytes{0x01, 0x80, 0xff}) {
            Bytes changed = file;
            changed[i] ^= mask;
            reseal(changed);
            // TimeDateStamp and CheckSum are computed; other VirtualSizes of the generator's sections are valid.
            const bool is_virtual_size =
                i >= kSectionsAt && i < kSectionsAt + 3 * 40 && (i - kSectionsAt) % 40 / 4 == 2;
            if (changed == file || is_virtual_size)
                continue;
            ASSERT_TRUE(is_refusal_of_a_package(code_of(changed))) << "byte " << i;
        }
    }
}

TEST(Reader, RefusesEveryChangeOfPaddingThatIsSealedAgain) {
    const Bytes file = *write_package(one_function());
    const auto image = *pe::Image::parse(file, pe::Layout::file);
    for (const pe::Section& section : image.sections()) {
        for (std::uint64_t i = section.range.size; i < section.raw_size; ++i) {
            Bytes changed = file;
            changed[section.raw.value + i] = 1;
            reseal(changed);
            ASSERT_EQ(code_of(changed), Code::package_malformed) << section.name << "+" << i;
        }
    }
}

TEST(Reader, RefusesHotpStructuresThatSayAnythingElse) {
    struct Case {
        const char* field;
        std::uint64_t at; // in .hotp
        std::uint32_t value;
        Code code = Code::package_malformed;
    };
    const std::uint64_t info = kInfoAt, base = kBaseAt;
    const std::vector<Case> cases = {
        {"HotpHeader.magic", 0, 0x41414141, Code::package_not_a_hotpatch},
        {"HotpHeader.format_version: older", 8, 0, Code::package_version_unsupported},
        {"HotpHeader.format_version: newer", 8, 2, Code::package_version_unsupported},
        {"HotpHeader.reserved", 12, 1},
        {"load config: Size", kLoadConfigAt, 0xf4},
        {"load config: SecurityCookie", kLoadConfigAt + 0x58, 0x80002000},
        {"load config: GuardCFFunctionTable", kLoadConfigAt + 0x80, 0x80002000},
        {"load config: GuardFlags", kLoadConfigAt + 0x90, 0x100},
        {"load config: HotPatchTableOffset", kLoadConfigAt + 0xf0, 0x1000},
        {"INFO.Version", info + 0x00, 3},
        {"INFO.Size", info + 0x04, 0xffffffff},
        {"INFO.SequenceNumber: not BASE's", info + 0x08, 8},
        {"INFO.BaseImageList", info + 0x0c, 0xfffffff0},
        {"INFO.BaseImageCount: none", info + 0x10, 0},
        {"INFO.BaseImageCount: too many", info + 0x10, 0xffffffff},
        {"INFO.BufferOffset", info + 0x14, 4},
        {"INFO.ExtraPatchSize", info + 0x18, 4},
        {"INFO.MinSequenceNumber: above SequenceNumber", info + 0x1c, 8},
        {"INFO.MinSequenceNumber: equal to SequenceNumber", info + 0x1c, 7},
        {"INFO.Flags: HOTSWAP", info + 0x20, 2},
        {"base list", kBaseListAt, 0x7fffffff},
        {"BASE.SequenceNumber: not INFO's", base + 0x00, 6},
        {"BASE.Flags: no rollback", base + 0x04, 0x10},
        {"BASE.Flags: obligatory", base + 0x04, 0x13},
        {"BASE.Flags: I386", base + 0x04, 0x06},
        {"BASE.Flags: ARM64 in an x64 package", base + 0x04, 0x0a},
        {"BASE.Flags: the bit of IMAGE_HOT_PATCH_MACHINE", base + 0x04, 0x02},
        {"BASE.CodeIntegrityInfo", base + 0x10, 0},
        {"BASE.CodeIntegritySize", base + 0x14, 32},
        {"BASE.PatchTable", base + 0x18, 0xffffffff},
        {"BASE.BufferOffset", base + 0x1c, 1},
        {"first chunk: unknown operation", kPatchTableAt, 0x00044001},
        {"first chunk: an empty one", kPatchTableAt, 0x0001c000},
        {"first chunk: more records than follow", kPatchTableAt, 0x0001cfff},
        {"first chunk: INVERSE", kPatchTableAt, 0x8001c005},
        {"first chunk: OBLIGATORY", kPatchTableAt, 0x4001c005},
        {"first chunk: a reserved bit", kPatchTableAt, 0x0011c005},
        {"first chunk: the terminator", kPatchTableAt, 0},
        {"first record: source outside the baseline", kPatchTableAt + 4, 0xffffffff},
        {"first record: source behind the second's", kPatchTableAt + 4, 0x1310},
        {"first record: target outside the package", kPatchTableAt + 8, 0xffffffff},
        {"first record: target in .hotp", kPatchTableAt + 8, 0x9000},
        {"first record: target in .data", kPatchTableAt + 8, 0x3000},
    };
    const Bytes file = *write_package(everything());
    for (const Case& c : cases) {
        Bytes changed = file;
        put(changed, offset_in_hotp(file, c.at), c.value);
        reseal(changed);
        ASSERT_NE(changed, file) << c.field;
        EXPECT_EQ(code_of(changed), c.code) << c.field;
    }
}

TEST(Reader, RefusesCallTargetsThatSayAnythingElse) {
    // Behind the five functions: CALL_TARGET with 3 records, then BASELINE_CALL_TARGET with 3.
    const std::uint64_t targets = kPatchTableAt + 4 + 5 * 8;
    struct Case {
        const char* field;
        std::uint64_t at; // in .hotp
        std::uint32_t value;
    };
    const Bytes file = *write_package(guarded());
    ASSERT_EQ(ByteView(file).read<std::uint32_t>(offset_in_hotp(file, targets)), 0x00044003u);
    for (const Case& c : {
             Case{"load config: GuardFlags", kLoadConfigAt + 0x90, 0},
             Case{"load config: GuardFlags with a table", kLoadConfigAt + 0x90, 0x500},
             Case{"CALL_TARGET: fewer", targets, 0x00044002},
             Case{"CALL_TARGET: as NO_CALL_TARGET", targets, 0x00064003},
             Case{"CALL_TARGET: as one of the baseline", targets, 0x000b8003},
             Case{"CALL_TARGET: not aligned", targets + 4, 0x1041},
             Case{"CALL_TARGET: out of order", targets + 4, 0x1110},
             Case{"CALL_TARGET: outside the code", targets + 12, 0x2000},
             Case{"BASELINE_CALL_TARGET: outside the baseline", targets + 28, 0x9000},
             Case{"BASELINE_CALL_TARGET: more than follow", targets + 16, 0x000b8fff},
         }) {
        Bytes changed = file;
        put(changed, offset_in_hotp(file, c.at), c.value);
        reseal(changed);
        ASSERT_NE(changed, file) << c.field;
        EXPECT_EQ(code_of(changed), Code::package_malformed) << c.field;
    }
}

TEST(Reader, GivesBackIdentityFieldsThatAreSealedAgain) {
    Bytes file = *write_package(everything());
    put(file, offset_in_hotp(file, kBaseAt + 8), 0x11223344u);  // OriginalTimeDateStamp
    put(file, offset_in_hotp(file, kBaseAt + 12), 0x55667788u); // OriginalCheckSum
    file[offset_in_hotp(file, kHashesAt)] ^= 1;                 // SHA256
    file[offset_in_hotp(file, kHashesAt + 32)] ^= 1;            // SHA1
    reseal(file);
    const auto package = Package::parse(file);
    ASSERT_TRUE(package) << package.error().message();
    Manifest expected = everything().manifest;
    expected.baseline.time_date_stamp = 0x11223344;
    expected.baseline.checksum = 0x55667788;
    expected.baseline_sha256[0] ^= 1;
    expected.baseline_sha1[0] ^= 1;
    EXPECT_EQ(package->manifest(), expected);
}

TEST(Reader, RefusesDirectoriesThatAreNotInTheWritersForm) {
    const Bytes file = *write_package(everything());
    const std::uint64_t pdata = offset_of_section(file, ".pdata"), reloc = offset_of_section(file, ".reloc"),
                        rdata = offset_of_section(file, ".rdata");
    struct Case {
        const char* field;
        std::uint64_t at;
        std::uint32_t value;
    };
    for (const Case& c : {
             Case{"RUNTIME_FUNCTION.BeginAddress outside .text", pdata, 0x800},
             Case{"RUNTIME_FUNCTION.EndAddress in the next function", pdata + 4, 0x1050},
             Case{"RUNTIME_FUNCTION.EndAddress before the begin", pdata + 4, 0xfff},
             Case{"RUNTIME_FUNCTION.UnwindData not aligned", pdata + 8, 0x2002},
             Case{"RUNTIME_FUNCTION.UnwindData outside", pdata + 8, 0x100000},
             Case{"UNWIND_INFO of an unknown version", rdata, 0x00010407},
             Case{"UNWIND_INFO with an unknown operation", rdata + 4, 0x00004f04},
             Case{"relocation block for another page", reloc, 0x1000},
             Case{"relocation block of another size", reloc + 4, 8},
             Case{"relocation of 4 bytes (HIGHLOW)", reloc + 8, 0xa0183010},
             Case{"relocation in the import table", reloc + 8, 0xa040a010},
             Case{"relocations out of order", reloc + 8, 0xa010a018},
             Case{"relocation padding before an entry", reloc + 8, 0xa0180000},
             Case{"relocated field that points outside", rdata + 0x14, 2},
             Case{"import descriptor: other lookup table", rdata + 0x40, 0x2088},
             Case{"import descriptor: time stamp", rdata + 0x44, 1},
             Case{"import descriptor: other name", rdata + 0x4c, 0x20fb},
             Case{"import slot in .text", rdata + 0x50, 0x1000},
             Case{"import hint", rdata + 0xe0, 0x65470001},
         }) {
        Bytes changed = file;
        put(changed, c.at, c.value);
        reseal(changed);
        ASSERT_NE(changed, file) << c.field;
        const Code code = code_of(changed);
        EXPECT_TRUE(code == Code::package_malformed || code == Code::pe_bad_directory) << c.field << text_of(code);
    }
}

TEST(Reader, RefusesAnotherPeFile) {
    Bytes file = *write_package(one_function());
    const std::string name = ".hotq";
    const auto at = std::search(file.begin(), file.begin() + 0x400, name.begin(), name.end() - 1);
    std::ranges::copy(name, at);
    reseal(file);
    EXPECT_EQ(code_of(file), Code::package_not_a_hotpatch);
}

TEST(Reader, RefusesAFileAboveTheLimit) {
    Bytes file = *write_package(one_function());
    file.resize(kMaxFileSize + 1);
    EXPECT_EQ(code_of(file), Code::package_malformed);
}

TEST(Reader, NeverTakesRandomChangesForAnythingButTheirOnlyForm) {
    std::mt19937_64 random(7);
    int taken = 0;
    for (int round = 0; round < 3000; ++round) {
        static const Bytes files[] = {*write_package(guarded()), *write_package(one_function()),
                                      *write_package(arm64_function())};
        Bytes file = files[random() % std::size(files)];
        const std::uint64_t hotp = offset_of_section(file, ".hotp");
        for (std::uint64_t i = 1 + random() % 3; i > 0; --i) {
            const std::uint64_t from = random() % 2 == 0 ? hotp + kPatchTableAt : 0x400;
            file[from + random() % (file.size() - from)] =
                static_cast<std::uint8_t>(random() % 4 == 0 ? 0xff : random());
        }
        reseal(file);
        const auto package = Package::parse(file);
        if (!package) {
            ASSERT_TRUE(is_refusal_of_a_package(package.error().code())) << package.error().message();
            continue;
        }
        ++taken;
        Contents contents;
        contents.manifest = package->manifest();
        for (const pe::Section& section : package->image().sections()) {
            if (section.name == ".pdata" || section.name == ".reloc" || section.name == ".hotp")
                break;
            const Bytes content = *package->image().content(section.range);
            const auto held = std::min<std::size_t>(content.size(), section.raw_size);
            contents.sections.push_back({section.name, section.range.begin,
                                         Bytes(content.begin(), content.begin() + static_cast<std::ptrdiff_t>(held)),
                                         section.range.size});
        }
        for (const pe::Relocation& relocation : package->relocations())
            contents.relocations.push_back(relocation.at);
        contents.runtime_functions = package->runtime_functions();
        std::vector<ImportRequest> requests;
        for (const pe::ImportSlot& slot : package->imports())
            requests.push_back({slot.dll, slot.name, slot.ordinal});
        if (!requests.empty())
            contents.imports = build_import_table(requests, package->image().directory(pe::Directory::imports).begin);
        const auto again = write_package(contents);
        ASSERT_TRUE(again) << again.error().message();
        ASSERT_EQ(*again, file);
    }
    EXPECT_GT(taken, 100);
}

} // namespace

} // namespace suture::package
