// What is written is also run, in an emulator: the same state must come of it, and the same address next.

#include "engine/isa/isa.hpp"
#include "tests/engine/isa/arm64/code.hpp"

#include <gtest/gtest.h>
#include <unicorn/unicorn.h>

#include <array>
#include <memory>

namespace suture::isa::arm64 {
namespace {

using test::code;

constexpr Va kModule{0x180000000};
constexpr Va kEntry{0x180100010};
constexpr Va kBlock{0x184000000};
constexpr std::uint64_t kModuleSize = 0x400000;
constexpr std::uint64_t kBlockSize = 0x4000;
constexpr Va kContinuation = kBlock + 0x40;

/// What an instruction can change: x0 to x30, sp, the flags, the program counter, and q1.
struct State {
    std::array<std::uint64_t, 31> x{};
    std::uint64_t sp = 0, flags = 0, pc = 0;
    std::array<std::uint64_t, 2> q1{};

    bool operator==(const State&) const = default;
};

constexpr std::array<int, 31> kX = [] {
    std::array<int, 31> ids{};
    for (int i = 0; i < 29; ++i)
        ids[static_cast<std::size_t>(i)] = UC_ARM64_REG_X0 + i;
    ids[29] = UC_ARM64_REG_X29;
    ids[30] = UC_ARM64_REG_X30;
    return ids;
}();

class Emulator {
  public:
    Emulator() {
        EXPECT_EQ(uc_open(UC_ARCH_ARM64, UC_MODE_ARM, &uc_), UC_ERR_OK);
        EXPECT_EQ(uc_mem_map(uc_, kModule.value, kModuleSize, UC_PROT_ALL), UC_ERR_OK);
        EXPECT_EQ(uc_mem_map(uc_, kBlock.value, kBlockSize, UC_PROT_ALL), UC_ERR_OK);
        const std::uint64_t allow_vectors = 3u << 20;
        uc_reg_write(uc_, UC_ARM64_REG_CPACR_EL1, &allow_vectors);
        Bytes module(kModuleSize); // literals that tell where they are
        for (std::size_t i = 0; i < module.size(); ++i)
            module[i] = static_cast<std::uint8_t>(i * 37 + (i >> 8));
        write(kModule, module);
    }
    Emulator(const Emulator&) = delete;
    Emulator& operator=(const Emulator&) = delete;
    ~Emulator() { uc_close(uc_); }

    void write(Va at, const Bytes& bytes) {
        EXPECT_EQ(uc_mem_write(uc_, at.value, bytes.data(), bytes.size()), UC_ERR_OK);
    }

    /// Runs from `state.pc` until the program counter leaves [state.pc, state.pc + size).
    State run(const State& state, std::uint64_t size) {
        for (std::size_t i = 0; i < kX.size(); ++i)
            uc_reg_write(uc_, kX[i], &state.x[i]);
        uc_reg_write(uc_, UC_ARM64_REG_SP, &state.sp);
        uc_reg_write(uc_, UC_ARM64_REG_NZCV, &state.flags);
        uc_reg_write(uc_, UC_ARM64_REG_Q1, &state.q1);
        range_ = {Va{state.pc}, size};
        uc_hook hook = 0;
        const auto on_instruction = +[](uc_engine* uc, std::uint64_t at, std::uint32_t, void* user) {
            if (!static_cast<Emulator*>(user)->range_.contains(Va{at}))
                uc_emu_stop(uc);
        };
        EXPECT_EQ(uc_hook_add(uc_, &hook, UC_HOOK_CODE, reinterpret_cast<void*>(on_instruction), this, 1, 0),
                  UC_ERR_OK);
        EXPECT_EQ(uc_emu_start(uc_, state.pc, 0, 0, 100), UC_ERR_OK);
        uc_hook_del(uc_, hook);
        State after;
        for (std::size_t i = 0; i < kX.size(); ++i)
            uc_reg_read(uc_, kX[i], &after.x[i]);
        uc_reg_read(uc_, UC_ARM64_REG_SP, &after.sp);
        uc_reg_read(uc_, UC_ARM64_REG_NZCV, &after.flags);
        uc_reg_read(uc_, UC_ARM64_REG_Q1, &after.q1);
        uc_reg_read(uc_, UC_ARM64_REG_PC, &after.pc);
        return after;
    }

  private:
    uc_engine* uc_ = nullptr;
    VaRange range_;
};

State some_state(Va pc) {
    State state;
    for (std::size_t i = 0; i < state.x.size(); ++i)
        state.x[i] = kModule.value + 0x200000 + i * 0x100;
    state.x[5] = 0;
    state.sp = kModule.value + 0x300000;
    state.pc = pc.value;
    return state;
}

struct Case {
    std::uint32_t word; ///< as llvm-mc encodes the text
    const char* text;
    bool clobbers_x16 = false;
};

constexpr Case kCases[] = {
    {0xa9be7bfd, "stp x29, x30, [sp, #-0x20]!"},
    {0xd10083ff, "sub sp, sp, #0x20"},
    {0xb0000028, "adrp x8, .+0x5000"},
    {0x70000903, "adr x3, .+0x123"},
    {0x10ffe003, "adr x3, .-0x400"},
    {0x58000050, "ldr x16, .+8"},
    {0x58000823, "ldr x3, .+0x104"},
    {0x18000043, "ldr w3, .+8"},
    {0x98000043, "ldrsw x3, .+8"},
    {0x1c000041, "ldr s1, .+8", true},
    {0x5c000041, "ldr d1, .+8", true},
    {0x9c000061, "ldr q1, .+12", true},
    {0x14000010, "b .+0x40"},
    {0x17fffff0, "b .-0x40"},
    {0x54000101, "b.ne .+0x20"},
    {0x54000100, "b.eq .+0x20"},
    {0x35000100, "cbnz w0, .+0x20"},
    {0x35000105, "cbnz w5, .+0x20"},
    {0xb4000105, "cbz x5, .+0x20"},
    {0x36000100, "tbz w0, #0, .+0x20"},
    {0xb7080100, "tbnz x0, #33, .+0x20"},
    {0x94000010, "bl .+0x40"},
    {0xd63f0100, "blr x8"},
    {0xd61f0100, "br x8"},
    {0xd65f03c0, "ret"},
    {0xd65f0100, "ret x8"},
    {0xd503201f, "nop"},
};

TEST(Arm64Execution, AContinuationDoesWhatTheDisplacedInstructionDid) {
    const Isa& isa = *isa_for(Machine::arm64);
    for (const Case& c : kCases) {
        SCOPED_TRACE(c.text);
        Emulator machine;
        machine.write(kEntry, code({c.word}));
        const State expected = machine.run(some_state(kEntry), kInstructionSize);
        EXPECT_NE(expected.pc, kEntry.value);

        const auto bytes = isa.encode_continuation(code({c.word}), kEntry, kContinuation);
        ASSERT_TRUE(bytes) << bytes.error().message();
        ASSERT_LE(bytes->size(), Isa::kContinuationSize);
        machine.write(kContinuation, *bytes);
        State found = machine.run(some_state(kContinuation), bytes->size());
        if (c.clobbers_x16)
            found.x[kScratch] = expected.x[kScratch];
        EXPECT_EQ(found, expected);
    }
}

TEST(Arm64Execution, ASiteLeadsThroughItsStubToWhatTheCellHolds) {
    const Isa& isa = *isa_for(Machine::arm64);
    const Site site{SiteKind::arm64_branch, Rva{static_cast<std::uint32_t>(kEntry - kModule)}, 4, {}, 4};
    const Va stub = kBlock + 0x8, cell = kBlock + 0x1008;
    const Va replacement = kModule + 0x123450;
    Emulator machine;
    const auto writes = isa.encode_site(site, kModule, stub, cell);
    ASSERT_TRUE(writes);
    machine.write(kEntry, writes->front().bytes);
    machine.write(stub, *isa.encode_stub(stub, cell));
    Bytes pointer;
    append64(pointer, replacement.value);
    machine.write(cell, pointer);

    State state = machine.run(some_state(kEntry), kInstructionSize);
    EXPECT_EQ(state.pc, stub.value);
    state = machine.run(state, Isa::kStubSize);
    EXPECT_EQ(state.pc, replacement.value);
    State untouched = some_state(replacement);
    untouched.x[kScratch] = replacement.value;
    EXPECT_EQ(state, untouched);
}

TEST(Arm64Execution, AVeneerLeadsNearAndFar) {
    const Isa& isa = *isa_for(Machine::arm64);
    Emulator machine;
    for (const Va to : {kModule + 0x2000, kBlock + 0x2000}) {
        const Bytes near = isa.encode_veneer(kBlock, to);
        machine.write(kBlock, near);
        EXPECT_EQ(machine.run(some_state(kBlock), near.size()).pc, to.value);
        // As if it were placed out of reach: the long form holds the address, so it can be run anywhere.
        const Bytes far = isa.encode_veneer(Va{0x7fff00000000}, to);
        machine.write(kBlock, far);
        EXPECT_EQ(machine.run(some_state(kBlock), far.size()).pc, to.value);
    }
}

} // namespace
} // namespace suture::isa::arm64
