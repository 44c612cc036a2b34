#include "loader/trust/revocation_list.hpp"

#include "loader/trust/oid.hpp"
#include "loader/trust/pem.hpp"

#include <algorithm>

namespace suture::trust {

namespace {

std::unexpected<Error> unreadable(std::string detail) {
    return fail(Code::revocation_list_unreadable, std::move(detail));
}

struct Extension {
    ByteView kind;
    bool critical = false;
    ByteView value;
};

std::optional<Extension> take_extension(DerReader& from) {
    Extension extension;
    DerReader one = from.enter(DerTag::sequence);
    extension.kind = one.take(DerTag::object_identifier).content;
    if (const auto critical = one.take_if(DerTag::boolean))
        extension.critical = critical->content.size() == 1 && critical->content[0] != 0;
    extension.value = one.take(DerTag::octet_string).content;
    return one.done() ? std::optional(extension) : std::nullopt;
}

/// The serial of the next entry; its entry too, where it is asked for.
std::optional<ByteView> take_entry(DerReader& from, RevocationList::Entry* entry) {
    DerReader one = from.enter(DerTag::sequence);
    const ByteView serial = one.take(DerTag::integer).content;
    const auto when = parse_time(one.take());
    if (one.failed() || !when)
        return std::nullopt;
    RevocationList::Entry found{*when};
    if (!one.empty()) {
        DerReader extensions = one.enter(DerTag::sequence);
        while (!extensions.failed() && !extensions.empty()) {
            const auto extension = take_extension(extensions);
            if (!extension)
                return std::nullopt;
            DerReader value(extension->value);
            if (extension->kind == oid::kCrlReason) {
                const ByteView reason = value.take(DerTag::enumerated).content;
                if (!value.done() || reason.size() != 1)
                    return std::nullopt;
                found.reason = reason[0];
            } else if (extension->kind == oid::kInvalidityDate) {
                const auto since = parse_time(value.take(DerTag::generalized_time));
                if (!since)
                    return std::nullopt;
                found.when = std::min(found.when, *since);
            } else if (extension->critical) {
                return std::nullopt;
            }
        }
        if (!extensions.done())
            return std::nullopt;
    }
    if (entry)
        *entry = found;
    return one.done() ? std::optional(serial) : std::nullopt;
}

} // namespace

bool RevocationList::read_extensions(DerReader extensions) {
    while (!extensions.failed() && !extensions.empty()) {
        const auto extension = take_extension(extensions);
        if (!extension)
            return false;
        if (extension->kind == oid::kIssuingDistributionPoint) {
            DerReader outer(extension->value);
            DerReader point = outer.enter(DerTag::sequence);
            while (!point.failed() && !point.empty()) {
                const DerValue part = point.take();
                const bool set = part.content.size() == 1 && part.content[0] != 0;
                switch (static_cast<unsigned>(part.tag)) {
                case 0xa0: // where it is published
                    break;
                case 0x81:
                    only_signers_ = set;
                    break;
                case 0x82:
                    only_authorities_ = set;
                    break;
                default: // of some reasons, of other issuers, of attribute certificates
                    return false;
                }
            }
            if (!outer.done() || !point.done())
                return false;
        } else if (extension->critical) {
            return false;
        }
    }
    return extensions.done();
}

bool RevocationList::read(ByteView der) {
    DerReader outer(der);
    DerReader whole = outer.enter(DerTag::sequence);
    DerReader signed_part = whole; // the same place, to see it whole
    signed_bytes_ = signed_part.take(DerTag::sequence).whole;
    DerReader body = whole.enter(DerTag::sequence);
    signature_algorithm_ = whole.take(DerTag::sequence).content;
    const ByteView bits = whole.take(DerTag::bit_string).content;
    body.take_if(DerTag::integer); // version
    const ByteView algorithm = body.take(DerTag::sequence).content;
    issuer_ = body.take(DerTag::sequence).whole;
    const auto since = parse_time(body.take());
    if (!outer.done() || !whole.done() || body.failed() || bits.empty() || bits[0] != 0 || !since ||
        !(algorithm == signature_algorithm_))
        return false;
    signature_ = *bits.from(1);
    since_ = *since;
    if (body.at(DerTag::utc_time) || body.at(DerTag::generalized_time)) {
        until_ = parse_time(body.take());
        if (!until_)
            return false;
    }
    if (const auto entries = body.take_if(DerTag::sequence)) {
        entries_ = entries->content;
        DerReader all(entries_);
        while (!all.empty())
            if (!take_entry(all, nullptr))
                return false;
    }
    if (body.at(DerTag::context_0)) {
        DerReader wrapped = body.enter(DerTag::context_0);
        const DerReader extensions = wrapped.enter(DerTag::sequence);
        if (!wrapped.done() || !read_extensions(extensions))
            return false;
    }
    return body.done();
}

Result<std::vector<RevocationList>> RevocationList::parse(ByteView file) {
    if (file.empty() || file.size() > kMaxRevocationFile)
        return unreadable(file.empty() ? "it is empty" : "it is too large");
    std::vector<Bytes> blocks;
    if (file[0] == static_cast<std::uint8_t>(DerTag::sequence)) {
        blocks.push_back(file.copy());
    } else {
        auto found = parse_pem(file, "X509 CRL");
        if (!found)
            return unreadable("its PEM is malformed");
        blocks = std::move(*found);
    }
    if (blocks.empty())
        return unreadable("it holds no list");
    std::vector<RevocationList> lists;
    for (Bytes& block : blocks) {
        RevocationList& list = lists.emplace_back();
        list.der_ = std::make_shared<const Bytes>(std::move(block));
        if (!list.read(*list.der_))
            return unreadable("it is malformed, or holds only part of what its issuer revoked");
    }
    return lists;
}

std::optional<RevocationList::Entry> RevocationList::find(const Certificate& certificate) const {
    std::optional<Entry> first;
    DerReader all(entries_);
    while (!all.empty()) {
        Entry entry;
        const auto serial = take_entry(all, &entry);
        if (serial && *serial == certificate.serial && (!first || entry.when < first->when))
            first = entry;
    }
    return first;
}

std::string_view text_of_revocation(unsigned reason) {
    constexpr std::string_view kTexts[] = {"no reason given",
                                           "key compromise",
                                           "compromise of the authority",
                                           "change of affiliation",
                                           "superseded",
                                           "cessation of operation",
                                           "on hold",
                                           "unknown reason",
                                           "unknown reason",
                                           "privilege withdrawn",
                                           "compromise of the attribute authority"};
    return reason < std::size(kTexts) ? kTexts[reason] : "unknown reason";
}

} // namespace suture::trust
