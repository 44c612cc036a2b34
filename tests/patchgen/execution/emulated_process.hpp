#pragma once

#include "patchgen/program/program.hpp"
#include "tests/support/fake_target.hpp"

#include <array>
#include <set>
#include <string>
#include <vector>

struct uc_struct;

namespace suture::test {

/// A baseline or updated image in a process that exists only in this one, beside the DLL that the test answers for. A
/// package can be applied to it by the engine.
struct LoadedImage {
    LoadedImage(const program::Program& program, std::string_view name);

    static constexpr Va kBase{0x7ff612340000};
    static constexpr Va kHost{0x7ff700000000};

    const program::Program& program;
    FakeTarget target;
};

/// What one call did, as far as a caller can tell.
struct Call {
    std::uint64_t result = 0;
    Bytes buffer;
    std::vector<std::uint64_t> preserved; ///< registers that belong to the caller, general and vector ones
    std::vector<std::string> out;         ///< calls of the host, with arguments
    std::string error;                    ///< of the emulator; empty where the call returned

    bool operator==(const Call&) const = default;
};

/// Runs the code of a LoadedImage, from a copy of its memory as it is when this is made.
class EmulatedProcess {
  public:
    static constexpr std::size_t kBuffer = 256;

    explicit EmulatedProcess(const LoadedImage& image);
    ~EmulatedProcess();
    EmulatedProcess(const EmulatedProcess&) = delete;
    EmulatedProcess& operator=(const EmulatedProcess&) = delete;

    /// Calls the function at `function` with a buffer and two numbers.
    Call call(Va function, const Bytes& buffer, std::uint64_t a, std::uint64_t b);
    Bytes read(Va at, std::uint64_t size) const;
    /// Addresses outside the image and the host at which an instruction was executed.
    const std::set<std::uint64_t>& executed_outside() const { return executed_outside_; }

  private:
    static void on_host(uc_struct* uc, std::uint64_t at, std::uint32_t size, void* user);
    static void on_code(uc_struct* uc, std::uint64_t at, std::uint32_t size, void* user);
    std::uint64_t get(int id) const;
    void set(int id, std::uint64_t value);
    void answer(std::uint64_t at);

    Machine machine_;
    uc_struct* uc_ = nullptr;
    Call* current_ = nullptr;
    std::uint64_t image_end_ = 0;
    std::set<std::uint64_t> executed_outside_;
};

} // namespace suture::test
