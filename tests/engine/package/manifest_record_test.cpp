#include "engine/package/manifest_record.hpp"
#include "tests/engine/package/sample_contents.hpp"

#include <gtest/gtest.h>

namespace suture::package {

namespace {

using namespace test;

/// A manifest that holds what the patch table says, as decode_manifest_record() wants it.
Manifest with_rvas_of(const Manifest& manifest) {
    Manifest result;
    for (const Replacement& function : manifest.functions) {
        result.functions.emplace_back();
        result.functions.back().baseline = function.baseline;
        result.functions.back().patch = function.patch;
    }
    return result;
}

/// The record of a manifest without functions; its offsets are those of docs/format.md.
Bytes small_record() {
    Manifest manifest;
    manifest.id = "i";
    manifest.module = "m";
    manifest.baseline.size_of_image = 0x1000;
    return encode_manifest_record(manifest);
}

TEST(ManifestRecord, WritesFieldsInTheirOrder) {
    EXPECT_EQ(small_record(), (Bytes{1,    0,    'i',       // id
                                     1,    0,    'm',       // module
                                     0x00, 0x10, 0,   0,    // SizeOfImage
                                     0,                     // has_pdb
                                     0,    0,               // sections
                                     0,    0,    0,   0,    // retired ranges
                                     0,    0,    0,   0})); // globals
}

TEST(ManifestRecord, GivesBackWhatWasWritten) {
    const Manifest manifest = everything().manifest;
    Manifest read = with_rvas_of(manifest);
    ASSERT_TRUE(decode_manifest_record(encode_manifest_record(manifest), read));
    EXPECT_EQ(read.id, manifest.id);
    EXPECT_EQ(read.module, manifest.module);
    EXPECT_EQ(read.baseline.pdb_guid, manifest.baseline.pdb_guid);
    EXPECT_EQ(read.sections, manifest.sections);
    EXPECT_EQ(read.functions, manifest.functions);
    EXPECT_EQ(read.retired, manifest.retired);
    EXPECT_EQ(read.globals, manifest.globals);
}

TEST(ManifestRecord, RefusesEveryTruncationAndExtension) {
    const Manifest manifest = everything().manifest;
    Bytes record = encode_manifest_record(manifest);
    for (std::size_t size = 0; size < record.size(); ++size) {
        Manifest read = with_rvas_of(manifest);
        ASSERT_FALSE(decode_manifest_record(ByteView(record.data(), size), read)) << size;
    }
    record.push_back(0);
    Manifest read = with_rvas_of(manifest);
    EXPECT_FALSE(decode_manifest_record(record, read));
}

TEST(ManifestRecord, RefusesFieldsThatCannotBe) {
    struct Case {
        const char* field;
        std::size_t at;
        Bytes bytes;
    };
    for (const Case& c : {
             Case{"length of the id: longer than the record", 0, {0xff, 0xff}},
             Case{"length of the module: longer than the record", 3, {0xff, 0x00}},
             Case{"has_pdb: neither 0 nor 1", 10, {2}},
             Case{"has_pdb: without a GUID", 10, {1}},
             Case{"number of sections: more than the limit", 11, {97, 0}},
             Case{"number of sections: more than follow", 11, {1, 0}},
             Case{"number of retired ranges: more than the limit", 13, {1, 0, 1, 0}},
             Case{"number of retired ranges: more than follow", 13, {2, 0, 0, 0}},
             Case{"number of globals: more than the limit", 17, {1, 0, 1, 0}},
             Case{"number of globals: more than follow", 17, {1, 0, 0, 0}},
         }) {
        Bytes record = small_record();
        std::ranges::copy(c.bytes, record.begin() + static_cast<std::ptrdiff_t>(c.at));
        Manifest read;
        const auto result = decode_manifest_record(record, read);
        ASSERT_FALSE(result) << c.field;
        EXPECT_EQ(result.error().code(), Code::package_malformed) << c.field;
    }
    // In a function: behind name (2), sizes (8) and digest (16) stand kind, flags and the number of displaced bytes.
    const Manifest manifest = one_function().manifest;
    const Bytes record = encode_manifest_record(manifest);
    const std::size_t kind_at = record.size() - 8 - (3 + 2 + 4 + 5);
    for (const Case& c : {
             Case{"kind of site: none", kind_at, {0}},
             Case{"kind of site: unknown", kind_at, {6}},
             Case{"kind of site: one without a pad", kind_at, {3}},
             Case{"flags: unknown", kind_at + 1, {2}},
             Case{"displaced bytes: more than follow", kind_at + 2, {19}},
         }) {
        Bytes changed = record;
        std::ranges::copy(c.bytes, changed.begin() + static_cast<std::ptrdiff_t>(c.at));
        Manifest read = with_rvas_of(manifest);
        EXPECT_FALSE(decode_manifest_record(changed, read)) << c.field;
    }
}

} // namespace

} // namespace suture::package
