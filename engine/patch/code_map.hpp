#pragma once

#include "engine/pe/image.hpp"
#include "engine/pe/unwind_arm64.hpp"
#include "engine/pe/unwind_x64.hpp"
#include "engine/target/target.hpp"

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace suture::patch {

/// What a function of ntdll.dll means to a stack walk.
enum class EntryRole : std::uint8_t {
    ordinary,
    /// A thread's outermost function: RtlUserThreadStart, LdrInitializeThunk.
    thread_start,
    /// What it "returns" to is where the thread was interrupted, not the instruction after a call:
    /// KiUserExceptionDispatcher, KiUserApcDispatcher, KiUserCallbackDispatcher.
    dispatcher,
};

/// A PE image in the target, with as much of its bytes and unwind data as was asked for. Pages are read on first use
/// and kept. Nothing read from it is trusted.
class CodeImage {
  public:
    /// Largest image that is looked into; larger ones are known by their range only.
    static constexpr std::uint64_t kMaxImageSize = std::uint64_t{1} << 30;

    /// Reads the headers and the unwind tables. Never fails: an image that cannot be read, is malformed or is for
    /// another machine than the process is known by its range only (readable() is false).
    CodeImage(target::Target& target, std::string name, VaRange range);
    CodeImage(const CodeImage&) = delete;
    CodeImage& operator=(const CodeImage&) = delete;
    ~CodeImage();

    const std::string& name() const { return name_; }
    VaRange range() const { return range_; }
    /// True if headers and unwind tables were understood.
    bool readable() const { return image_.has_value(); }
    /// True if the headers in the target are still those that were read.
    bool is_current();

    Rva rva_of(Va at) const { return Rva{static_cast<std::uint32_t>(at - range_.begin)}; }
    /// True if `at` lies in an executable section.
    bool is_code(Va at) const;
    /// `size` bytes at `at`, or nothing if the image does not hold them or they cannot be read.
    std::optional<ByteView> bytes_at(Va at, std::uint64_t size);
    /// Up to `size` bytes at `at`, within its section; fewer at the section's end.
    ByteView bytes_up_to(Va at, std::uint64_t size);
    /// The unwind entry that covers `rva`, or nullptr.
    const pe::RuntimeFunction* function_at(Rva rva) const;
    /// The decoded unwind data at `rva`, or nullptr where it is malformed. Valid as long as this object.
    const pe::UnwindInfo* unwind_info_at(Rva rva);
    /// The decoded unwind data of an entry of function_at() in an image for Arm64, or nullptr, likewise.
    const pe::UnwindInfoArm64* unwind_info_of(const pe::RuntimeFunction& function);
    /// Role of the function that begins at `begin`.
    EntryRole role_of(Rva begin) const;

  private:
    struct Free {
        void operator()(std::uint8_t* bytes) const;
    };

    void load();
    bool fetch(std::uint64_t offset, std::uint64_t size);
    bool read_pages(std::uint64_t first, std::uint64_t count);
    bool fetch_lengths(const pe::Image& image);
    void load_roles();

    target::Target* target_;
    std::string name_;
    VaRange range_;
    std::unique_ptr<std::uint8_t[], Free> content_;
    std::vector<bool> present_; ///< per page of kPage bytes
    std::optional<pe::Image> image_;
    Bytes headers_;
    std::vector<pe::RuntimeFunction> functions_;
    std::unordered_map<Rva, std::unique_ptr<pe::UnwindInfo>> infos_;
    std::unordered_map<Rva, std::unique_ptr<pe::UnwindInfoArm64>> infos_arm64_; ///< by begin of the entry
    std::size_t info_bytes_ = 0;                                                ///< of infos_arm64_
    std::unordered_map<Rva, EntryRole> roles_;
};

/// What code lies where in a process: the loaded modules, and what the caller adds. Made once per process and used for
/// many stops, so that most is read while the process still runs.
class CodeMap {
  public:
    /// Modules beyond this count are not looked into.
    static constexpr std::size_t kMaxImages = 4096;

    /// `target` must outlive the map.
    explicit CodeMap(target::Target& target) : target_(&target) {}

    /// Reads the list of modules and the unwind tables of those that are new or have changed. Call it before each stop;
    /// also while stopped, where a module that was loaded in between matters. Errors: those of Target::modules().
    Result<void> refresh();
    /// A PE image that no loader knows, such as placed replacement code: `range` begins with its headers.
    void add_image(std::string name, VaRange range);
    /// Code that changes no register and keeps the return address at the stack pointer: stubs, pads with branches.
    void add_leaf(std::string name, VaRange range);

    /// The image at `at`, or nullptr.
    CodeImage* image_at(Va at);
    bool is_leaf(Va at) const;
    /// "heartbeat.dll+0x1234", or "0x7f0012345678" where nothing is known.
    std::string describe(Va at);

  private:
    struct Leaf {
        std::string name;
        VaRange range;
    };

    target::Target* target_;
    std::vector<std::unique_ptr<CodeImage>> modules_; ///< ascending by begin
    std::vector<std::unique_ptr<CodeImage>> added_;
    std::vector<Leaf> leaves_;
};

} // namespace suture::patch
