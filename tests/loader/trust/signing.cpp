#include "tests/loader/trust/signing.hpp"

#include "engine/package/writer.hpp"
#include "tests/engine/package/sample_contents.hpp"

#include <fmt/format.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace suture::test {

namespace {

void require(bool condition, const char* what) {
    if (!condition)
        throw std::runtime_error(what);
}

void add_extension(X509* certificate, int kind, const std::string& value) {
    if (value.empty())
        return;
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, nullptr, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
    require(extension && X509_add_ext(certificate, extension, -1) == 1, "extension");
    X509_EXTENSION_free(extension);
}

std::string text_of(BIO* bio) {
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio, &text);
    std::string copy(text, static_cast<std::size_t>(size));
    BIO_free(bio);
    return copy;
}

Bytes read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(file), {});
}

Bytes package_of(const package::Contents& contents) {
    auto file = package::write_package(contents);
    require(file.has_value(), "the package cannot be written");
    return std::move(*file);
}

} // namespace

std::string Identity::pem() const {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate.get());
    return text_of(bio);
}

std::string Identity::key_pem() const {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    return text_of(bio);
}

Bytes Identity::der() const {
    Bytes bytes(static_cast<std::size_t>(i2d_X509(certificate.get(), nullptr)));
    std::uint8_t* at = bytes.data();
    i2d_X509(certificate.get(), &at);
    return bytes;
}

Identity make_identity(const IdentityOptions& options) {
    static std::atomic<long> serial{1};
    Identity identity{{EVP_RSA_gen(options.bits), EVP_PKEY_free}, {X509_new(), X509_free}};
    X509* certificate = identity.certificate.get();
    require(identity.key && certificate, "key");
    const Identity& issuer = options.issuer ? *options.issuer : identity;
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    X509_NAME* name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(options.subject.c_str()), -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer.certificate.get()));
    X509_time_adj_ex(X509_getm_notBefore(certificate), options.from_days, 0, nullptr);
    X509_time_adj_ex(X509_getm_notAfter(certificate), options.to_days, 0, nullptr);
    X509_set_pubkey(certificate, identity.key.get());
    add_extension(certificate, NID_basic_constraints, options.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add_extension(certificate, NID_key_usage, options.key_usage);
    add_extension(certificate, NID_ext_key_usage, options.extended_key_usage);
    add_extension(certificate, NID_subject_key_identifier, "hash");
    require(X509_sign(certificate, issuer.key.get(), EVP_sha256()) > 0, "signature of the certificate");
    return identity;
}

Identity make_authority(const std::string& subject, const Identity* issuer) {
    return make_identity({.subject = subject,
                          .issuer = issuer,
                          .extended_key_usage = "",
                          .key_usage = "keyCertSign",
                          .authority = true});
}

Folder::Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "suture-XXXXXX").string();
    require(::mkdtemp(name.data()) != nullptr, "no temporary folder");
    path_ = name;
}

Folder::~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::filesystem::path Folder::write(const std::string& name, ByteView bytes) const {
    std::ofstream file(path_ / name, std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    require(file.good(), "file");
    return path_ / name;
}

std::filesystem::path Folder::write(const std::string& name, const std::string& text) const {
    return write(name, ByteView(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

Bytes unsigned_package() {
    return package_of(package::test::one_function());
}

Bytes large_package() {
    return package_of(package::test::everything());
}

Bytes sign(ByteView file, const Identity& signer, const std::string& chain, const std::string& digest) {
    const Folder folder;
    folder.write("in.dll", file);
    folder.write("certificates.pem", signer.pem() + chain);
    folder.write("key.pem", signer.key_pem());
    const std::string command =
        fmt::format("cd '{}' && '{}' sign -h {} -certs certificates.pem -key key.pem -in in.dll -out out.dll >log 2>&1",
                    folder.path().string(), SUTURE_OSSLSIGNCODE, digest);
    if (std::system(command.c_str()) != 0) {
        const Bytes log = read(folder.path() / "log");
        throw std::runtime_error("osslsigncode: " + std::string(log.begin(), log.end()));
    }
    return read(folder.path() / "out.dll");
}

} // namespace suture::test
