#include "tests/loader/trust/matrix/rows.hpp"

#include "engine/pe/image.hpp"

#include <algorithm>
#include <cstring>

namespace suture::trust::test {

namespace {

constexpr auto kNoEcdsa = Code::signature_unsupported;

pe::Image image_of(const Bytes& file) {
    return *pe::Image::parse(file, pe::Layout::file);
}

std::uint64_t table_of(const Bytes& file) {
    return image_of(file).directory(pe::Directory::certificates).begin.value;
}

std::uint64_t entry_of(const Bytes& file) {
    return image_of(file).directory_offset(pe::Directory::certificates).value;
}

template <class T>
void add(Bytes& file, std::uint64_t at, T value) {
    T old{};
    std::memcpy(&old, file.data() + at, sizeof(old));
    old = static_cast<T>(old + value);
    std::memcpy(file.data() + at, &old, sizeof(old));
}

void flip_stub(Bytes& file) {
    file[0x3b] ^= 1;
}

void flip_time(Bytes& file) {
    file[*ByteView(file).read<std::uint32_t>(0x3c) + 8] ^= 1;
}

void flip_checksum(Bytes& file) {
    file[image_of(file).checksum_offset().value] ^= 1;
}

template <std::size_t Index>
void flip_section(Bytes& file) {
    const pe::Image image = image_of(file);
    const auto sections = image.sections();
    file[sections[std::min(Index, sections.size() - 1)].raw.value] ^= 1;
}

void flip_tables(Bytes& file) {
    const pe::Image image = image_of(file);
    for (const pe::Section& section : image.sections())
        if (section.name == ".hotp")
            file[section.raw.value + section.raw_size / 2] ^= 1;
}

void flip_last_byte(Bytes& file) {
    file[table_of(file) - 1] ^= 1;
}

void flip_table_kind(Bytes& file) {
    file[table_of(file) + 6] ^= 1;
}

/// The bytes of the signature's value, before the padding; of its time stamp's where it has one.
void flip_signature(Bytes& file) {
    const std::uint64_t used = *ByteView(file).read<std::uint32_t>(table_of(file));
    file[std::min<std::uint64_t>(table_of(file) + used, file.size()) - 24] ^= 1;
}

void append(Bytes& file) {
    file.insert(file.end(), 8, 0);
}

void append_in_table(Bytes& file) {
    const std::uint64_t table = table_of(file);
    file.insert(file.end(), 16, 0);
    add<std::uint32_t>(file, table, 16);
    add<std::uint32_t>(file, entry_of(file) + 4, 16);
}

void append_second(Bytes& file) {
    const Bytes table(file.begin() + static_cast<std::ptrdiff_t>(table_of(file)), file.end());
    add(file, entry_of(file) + 4, static_cast<std::uint32_t>(table.size()));
    file.insert(file.end(), table.begin(), table.end());
}

void hide(Bytes& file) {
    std::memset(file.data() + entry_of(file), 0, 8);
}

void strip(Bytes& file) {
    const std::uint64_t table = table_of(file);
    hide(file);
    file.resize(table);
}

/// The signature stays, and all else is another package's: the digest is the same length, the bytes are not.
void move(Bytes& file) {
    for (std::size_t at = *ByteView(file).read<std::uint32_t>(0x3c) + 0x200; at < table_of(file); ++at)
        file[at] = static_cast<std::uint8_t>(file[at] + 1);
}

void cut(Bytes& file) {
    file.resize(file.size() - 64);
}

// clang-format off
constexpr Row kRows[] = {
    // name                        file                          anchors     stampers   lists             edit             refused with
    {"Rsa",                        "self",                       "self",     "",        "",               nullptr,         {}, {}},
    {"RsaSha384",                  "sha384",                     "self",     "",        "",               nullptr,         {}, {}},
    {"RsaSha512",                  "sha512",                     "self",     "",        "",               nullptr,         {}, {}},
    {"EcdsaP256",                  "p256",                       "p256",     "",        "",               nullptr,         {}, kNoEcdsa},
    {"EcdsaP384UnderRsa",          "p384",                       "root",     "",        "",               nullptr,         {}, kNoEcdsa},
    {"EcdsaP521UnderRsa",          "p521",                       "root",     "",        "",               nullptr,         {}, kNoEcdsa},
    {"UnderAuthority",             "direct",                     "root",     "",        "",               nullptr,         {}, {}},
    {"UnderTwoAuthorities",        "member",                     "root",     "",        "",               nullptr,         {}, {}},
    {"AnchorIsTheLowerAuthority",  "member",                     "middle",   "",        "",               nullptr,         {}, {}},
    {"AnchorIsTheSigner",          "member",                     "member",   "",        "",               nullptr,         {}, {}},
    {"OneOfSeveralAnchors",        "direct",                     "self root", "",       "",               nullptr,         {}, {}},
    {"AuthorityMissing",           "no_chain",                   "root",     "",        "",               nullptr,         Code::signer_not_trusted, {}},
    {"AnotherSigner",              "stranger",                   "self",     "",        "",               nullptr,         Code::signer_not_trusted, {}},
    {"IssuerIsNoAuthority",        "forged",                     "root",     "",        "",               nullptr,         Code::signer_not_trusted, {}},
    {"NotForCode",                 "web",                        "root",     "",        "",               nullptr,         Code::signer_not_for_code, {}},
    {"AuthorityNotForCode",        "under_web",                  "root",     "",        "",               nullptr,         Code::signer_not_for_code, {}},
    {"Expired",                    "expired",                    "root",     "",        "",               nullptr,         Code::certificate_expired, {}},
    {"NotYetValid",                "later",                      "root",     "",        "",               nullptr,         Code::certificate_not_yet_valid, {}},
    {"WeakKey",                    "weak",                       "weak",     "",        "",               nullptr,         Code::signature_weak, {}},
    {"WeakDigest",                 "sha1",                       "self",     "",        "",               nullptr,         Code::signature_weak, {}},

    {"ChangedStub",                "self",                       "self",     "",        "",               flip_stub,       Code::signature_digest_differs, {}},
    {"ChangedHeaders",             "self",                       "self",     "",        "",               flip_time,       Code::signature_digest_differs, {}},
    {"ChangedCheckSum",            "self",                       "self",     "",        "",               flip_checksum,   {}, {}},
    {"ChangedFirstSection",        "self",                       "self",     "",        "",               flip_section<0>, Code::signature_digest_differs, {}},
    {"ChangedSecondSection",       "self",                       "self",     "",        "",               flip_section<1>, Code::signature_digest_differs, {}},
    {"ChangedLaterSection",        "self",                       "self",     "",        "",               flip_section<3>, Code::signature_digest_differs, {}},
    {"ChangedTables",              "self",                       "self",     "",        "",               flip_tables,     Code::signature_digest_differs, {}},
    {"ChangedLastByte",            "self",                       "self",     "",        "",               flip_last_byte,  Code::signature_digest_differs, {}},
    {"ChangedTableKind",           "self",                       "self",     "",        "",               flip_table_kind, Code::signature_malformed, {}},
    {"ChangedSignature",           "self",                       "self",     "",        "",               flip_signature,  Code::signature_invalid, {}},
    {"Unsigned",                   "self",                       "self",     "",        "",               strip,           Code::unsigned_package, {}},
    {"SignatureHidden",            "self",                       "self",     "",        "",               hide,            Code::signature_stripped, {}},
    {"SignatureMoved",             "self",                       "self",     "",        "",               move,            Code::signature_digest_differs, {}},
    {"SignatureCut",               "self",                       "self",     "",        "",               cut,             Code::signature_malformed, {}},
    {"Appended",                   "self",                       "self",     "",        "",               append,          Code::data_after_signature, {}},
    {"AppendedInTheTable",         "self",                       "self",     "",        "",               append_in_table, Code::data_after_signature, {}},
    {"SecondSignature",            "self",                       "self",     "",        "",               append_second,   Code::several_signatures, {}},
    {"NestedSignature",            "nested",                     "self",     "",        "",               nullptr,         Code::several_signatures, {}},

    {"ExpiredAndStamped",          "expired_stamper",            "root",     "stamper", "",               nullptr,         {}, {}},
    {"StampedUnderTheSameAnchor",  "expired_house",              "root",     "",        "",               nullptr,         {}, {}},
    {"ExpiredAndCountersigned",    "countersigned",              "root",     "",        "",               nullptr,         {}, {}, true},
    {"ExpiredWithToken",           "token",                      "root",     "",        "",               nullptr,         {}, {}, true},
    {"ExpiredWithoutStamp",        "brief",                      "root",     "",        "",               nullptr,         Code::certificate_expired, {}, true},
    {"StampNotTrusted",            "expired_stamper",            "root",     "",        "",               nullptr,         Code::timestamp_not_trusted, {}},
    {"StampNotUnderItsAnchor",     "expired_house",              "root",     "stamper", "",               nullptr,         Code::timestamp_not_trusted, {}},
    {"StamperForMoreThanTime",     "countersigned_by_all_round", "root",     "",        "",               nullptr,         Code::timestamp_not_trusted, {}, true},
    {"StamperNotForTime",          "countersigned_by_self",      "root",     "self",    "",               nullptr,         Code::timestamp_not_trusted, {}, true},
    {"StamperExpired",             "expired_old_stamper",        "root",     "",        "",               nullptr,         Code::timestamp_not_trusted, {}},
    {"StampBeforeTheCertificate",  "early",                      "root",     "",        "",               nullptr,         Code::certificate_not_yet_valid, {}},
    {"StampAfterTheCertificate",   "late",                       "root",     "",        "",               nullptr,         Code::certificate_expired, {}},
    {"LifetimeSigning",            "lifetime",                   "root",     "",        "",               nullptr,         Code::certificate_expired, {}},
    {"StampNotNeeded",             "direct_untrusted_stamp",     "root",     "",        "",               nullptr,         {}, {}},
    {"StampOfSha1",                "weakly_countersigned",       "root",     "",        "",               nullptr,         Code::timestamp_not_trusted, {}, true},
    {"ChangedStamp",               "direct_stamped",             "root",     "",        "",               flip_signature,  Code::timestamp_invalid, {}},
    {"StampOfAnotherSignature",    "other_token",                "root",     "",        "",               nullptr,         Code::timestamp_invalid, {}, true},

    {"NotRevoked",                 "direct",                     "root",     "",        "nothing_revoked", nullptr,        {}, {}},
    {"Revoked",                    "direct",                     "root",     "",        "direct_revoked", nullptr,         Code::certificate_revoked, {}},
    {"RevokedAfterTheStamp",       "direct_stamped",             "root",     "",        "direct_revoked", nullptr,         {}, {}},
    {"RevokedBeforeTheStamp",      "direct_stamped",             "root",     "",        "direct_revoked_early", nullptr,   Code::certificate_revoked, {}},
    {"RevokedAndStampNotTrusted",  "direct_untrusted_stamp",     "root",     "",        "direct_revoked", nullptr,         Code::certificate_revoked, {}},
    {"AuthorityRevoked",           "member",                     "root",     "",        "of_middle middle_revoked", nullptr, Code::certificate_revoked, {}},
    {"StamperRevoked",             "expired_revoked_stamper",    "root",     "",        "stamper_revoked", nullptr,        Code::timestamp_not_trusted, {}},
    {"ListOfTheAuthorityMissing",  "member",                     "root",     "",        "nothing_revoked", nullptr,        Code::revocation_unknown, {}},
    {"ListOfOthers",               "direct",                     "root",     "",        "of_others",      nullptr,         Code::revocation_unknown, {}},
    {"ListOutdated",               "direct",                     "root",     "",        "old_list",       nullptr,         Code::revocation_list_outdated, {}},
    {"ListOfTheFuture",            "direct",                     "root",     "",        "coming_list",    nullptr,         Code::revocation_list_outdated, {}},
    {"ListForged",                 "direct",                     "root",     "",        "forged_list",    nullptr,         Code::revocation_list_invalid, {}},
};
// clang-format on

} // namespace

std::span<const Row> rows() {
    return kRows;
}

} // namespace suture::trust::test
