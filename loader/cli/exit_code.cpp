#include "loader/cli/exit_code.hpp"

namespace suture::cli {

Exit exit_of(Code code) {
    switch (code) {
    case Code::file_unreadable:
    case Code::file_unwritable:
    case Code::pe_bad_header:
    case Code::pe_bad_directory:
    case Code::pe_machine_unsupported:
    case Code::pe_truncated:
    case Code::package_damaged:
    case Code::package_malformed:
    case Code::package_not_a_hotpatch:
    case Code::package_version_unsupported:
    case Code::revocation_list_unreadable:
    case Code::trust_anchor_unreadable:
        return Exit::bad_input;
    case Code::already_applied:
    case Code::already_baseline:
    case Code::not_patched:
    case Code::nothing_to_recover:
        return Exit::nothing_to_do;
    case Code::not_quiescent:
        return Exit::not_quiescent;
    case Code::certificate_expired:
    case Code::certificate_not_yet_valid:
    case Code::certificate_revoked:
    case Code::data_after_signature:
    case Code::revocation_list_invalid:
    case Code::revocation_list_outdated:
    case Code::revocation_unknown:
    case Code::several_signatures:
    case Code::signature_digest_differs:
    case Code::signature_invalid:
    case Code::signature_malformed:
    case Code::signature_stripped:
    case Code::signature_unsupported:
    case Code::signature_weak:
    case Code::signer_not_for_code:
    case Code::signer_not_trusted:
    case Code::timestamp_invalid:
    case Code::timestamp_not_trusted:
    case Code::trust_not_stated:
    case Code::unsigned_package:
        return Exit::not_trusted;
    case Code::target_gone:
    case Code::target_inaccessible:
        return Exit::target_gone;
    case Code::needs_recover:
        return Exit::needs_recover;
    default:
        return Exit::refused;
    }
}

std::string_view name_of(Exit exit) {
    constexpr std::string_view kNames[] = {"done",          "bad-input",   "usage",       "nothing-to-do", "refused",
                                           "not-quiescent", "not-trusted", "target-gone", "needs-recover"};
    return kNames[static_cast<std::size_t>(exit)];
}

} // namespace suture::cli
