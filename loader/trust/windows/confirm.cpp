#include "loader/trust/system.hpp"
#include "loader/trust/windows/handles.hpp"

#include <fmt/format.h>
#include <softpub.h>
#include <wintrust.h>

#include <algorithm>
#include <array>

namespace suture::trust::system {

namespace {

/// The bytes as a file that nobody else can write to, gone with this object: WinVerifyTrust takes no memory for PE
/// images.
class SealedFile {
  public:
    static Result<std::unique_ptr<SealedFile>> make(ByteView bytes) {
        std::array<wchar_t, MAX_PATH + 1> folder{};
        auto file = std::unique_ptr<SealedFile>(new SealedFile);
        if (GetTempPathW(static_cast<DWORD>(folder.size()), folder.data()) == 0 ||
            GetTempFileNameW(folder.data(), L"sut", 0, file->path_.data()) == 0)
            return unwritable();
        file->handle_ = CreateFileW(file->path_.data(), GENERIC_READ | GENERIC_WRITE | DELETE, FILE_SHARE_READ, nullptr,
                                    CREATE_ALWAYS, FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_DELETE_ON_CLOSE, nullptr);
        if (file->handle_ == INVALID_HANDLE_VALUE)
            return unwritable();
        while (!bytes.empty()) {
            DWORD written = 0;
            const auto piece = static_cast<DWORD>(std::min<std::size_t>(bytes.size(), 1u << 20));
            if (!WriteFile(file->handle_, bytes.data(), piece, &written, nullptr) || written == 0)
                return unwritable();
            bytes = *bytes.from(written);
        }
        SetFilePointer(file->handle_, 0, nullptr, FILE_BEGIN);
        return file;
    }
    ~SealedFile() {
        if (handle_ != INVALID_HANDLE_VALUE)
            CloseHandle(handle_);
        else if (path_[0] != 0)
            DeleteFileW(path_.data());
    }
    SealedFile(const SealedFile&) = delete;
    SealedFile& operator=(const SealedFile&) = delete;

    const wchar_t* path() const { return path_.data(); }
    HANDLE handle() const { return handle_; }

  private:
    SealedFile() = default;

    static std::unexpected<Error> unwritable() {
        return fail(Code::signature_unsupported,
                    fmt::format("no temporary file can be made for the system to verify: {}",
                                text_of_status(static_cast<long>(GetLastError()))));
    }

    std::array<wchar_t, MAX_PATH + 1> path_{};
    HANDLE handle_ = INVALID_HANDLE_VALUE;
};

long ask(const SealedFile& sealed) {
    WINTRUST_FILE_INFO file{};
    file.cbStruct = sizeof(file);
    file.pcwszFilePath = sealed.path();
    file.hFile = sealed.handle();
    WINTRUST_DATA question{};
    question.cbStruct = sizeof(question);
    question.dwUIChoice = WTD_UI_NONE;
    question.fdwRevocationChecks = WTD_REVOKE_NONE;
    question.dwUnionChoice = WTD_CHOICE_FILE;
    question.pFile = &file;
    question.dwStateAction = WTD_STATEACTION_VERIFY;
    question.dwProvFlags = WTD_CACHE_ONLY_URL_RETRIEVAL | WTD_REVOCATION_CHECK_NONE;
    GUID action = WINTRUST_ACTION_GENERIC_VERIFY_V2;
    const auto nobody = static_cast<HWND>(INVALID_HANDLE_VALUE);
    const long verdict = WinVerifyTrust(nobody, &action, &question);
    question.dwStateAction = WTD_STATEACTION_CLOSE;
    WinVerifyTrust(nobody, &action, &question);
    return verdict;
}

} // namespace

Result<void> confirm(ByteView file, const Certificate& signer) {
    SUTURE_TRY(const auto sealed, SealedFile::make(file));
    const long verdict = ask(*sealed);
    switch (verdict) {
    case 0:
    // Whom the system trusts, and since when, says nothing of the anchors that the user gave: find_chain() has the
    // word.
    case CERT_E_UNTRUSTEDROOT:
    case CERT_E_CHAINING:
    case CERT_E_EXPIRED:
    case TRUST_E_TIME_STAMP:
        return {};
    case TRUST_E_CERT_SIGNATURE:
        if (signer.key == KeyKind::elliptic)
            return fail(Code::signature_unsupported,
                        "this system's WinVerifyTrust does not verify ECDSA: " + text_of_status(verdict));
        break;
    case TRUST_E_PROVIDER_UNKNOWN:
    case TRUST_E_ACTION_UNKNOWN:
    case TRUST_E_SUBJECT_FORM_UNKNOWN:
        return fail(Code::signature_unsupported,
                    "this system's WinVerifyTrust does not take PE images: " + text_of_status(verdict));
    case TRUST_E_EXPLICIT_DISTRUST:
    case CERT_E_REVOKED:
        return fail(Code::signer_not_trusted,
                    fmt::format("{}: this system distrusts it: {}", signer.subject_text(), text_of_status(verdict)));
    default:
        break;
    }
    return fail(Code::signature_invalid, "WinVerifyTrust says " + text_of_status(verdict));
}

} // namespace suture::trust::system
