#include "tests/support/emulator/processor.hpp"

#include <unicorn/unicorn.h>

#include <stdexcept>

namespace suture::test {

namespace {

std::vector<int> general_arm64() {
    std::vector<int> ids;
    for (int i = 0; i < 29; ++i)
        ids.push_back(UC_ARM64_REG_X0 + i);
    ids.push_back(UC_ARM64_REG_X29);
    ids.push_back(UC_ARM64_REG_X30);
    return ids;
}

std::vector<int> scratch_arm64() {
    std::vector<int> ids{UC_ARM64_REG_NZCV};
    for (int i = 0; i < 32; ++i)
        ids.push_back(UC_ARM64_REG_Q0 + i);
    return ids;
}

} // namespace

const Processor& processor_of(Machine machine) {
    static const Processor x64{
        .general = {UC_X86_REG_RAX, UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_RBX, UC_X86_REG_RSP, UC_X86_REG_RBP,
                    UC_X86_REG_RSI, UC_X86_REG_RDI, UC_X86_REG_R8, UC_X86_REG_R9, UC_X86_REG_R10, UC_X86_REG_R11,
                    UC_X86_REG_R12, UC_X86_REG_R13, UC_X86_REG_R14, UC_X86_REG_R15},
        .preserved = {UC_X86_REG_RBX, UC_X86_REG_RBP, UC_X86_REG_RSI, UC_X86_REG_RDI, UC_X86_REG_R12, UC_X86_REG_R13,
                      UC_X86_REG_R14, UC_X86_REG_R15},
        .vectors = {UC_X86_REG_XMM6, UC_X86_REG_XMM7, UC_X86_REG_XMM8, UC_X86_REG_XMM9, UC_X86_REG_XMM10,
                    UC_X86_REG_XMM11, UC_X86_REG_XMM12, UC_X86_REG_XMM13, UC_X86_REG_XMM14, UC_X86_REG_XMM15},
        .scratch = {UC_X86_REG_XMM0, UC_X86_REG_XMM1, UC_X86_REG_XMM2, UC_X86_REG_XMM3, UC_X86_REG_XMM4,
                    UC_X86_REG_XMM5},
        .arguments = {UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_R8},
        .result = UC_X86_REG_RAX,
        .stack = UC_X86_REG_RSP,
        .pc = UC_X86_REG_RIP,
        .start = {0x48, 0x83, 0xec, 0x28, 0xff, 0xd0, 0xcc}, // sub rsp, 0x28; call rax; int3
        .returns_at = 6,
        .unwound_bytes = 0x28,
        .unwind = {1, 4, 1, 0, 4, 0x42, 0, 0}, // version 1, prologue of 4 bytes, one code: alloc_small 0x28 at 4
        .ret = 0xccccccc3};
    static const Processor arm64{
        .general = general_arm64(),
        .preserved = {UC_ARM64_REG_X19, UC_ARM64_REG_X20, UC_ARM64_REG_X21, UC_ARM64_REG_X22, UC_ARM64_REG_X23,
                      UC_ARM64_REG_X24, UC_ARM64_REG_X25, UC_ARM64_REG_X26, UC_ARM64_REG_X27, UC_ARM64_REG_X28,
                      UC_ARM64_REG_X29},
        .vectors = {UC_ARM64_REG_D8, UC_ARM64_REG_D9, UC_ARM64_REG_D10, UC_ARM64_REG_D11, UC_ARM64_REG_D12,
                    UC_ARM64_REG_D13, UC_ARM64_REG_D14, UC_ARM64_REG_D15},
        .scratch = scratch_arm64(),
        .arguments = {UC_ARM64_REG_X0, UC_ARM64_REG_X1, UC_ARM64_REG_X2},
        .result = UC_ARM64_REG_X0,
        .stack = UC_ARM64_REG_SP,
        .pc = UC_ARM64_REG_PC,
        // stp x29, x30, [sp, #-16]!; blr x8; brk #1
        .start = {0xfd, 0x7b, 0xbf, 0xa9, 0x00, 0x01, 0x3f, 0xd6, 0x20, 0x00, 0x20, 0xd4},
        .returns_at = 8,
        .unwound_bytes = 16,
        .unwind = {3, 0, 0, 0x08, 0x81, 0xe4, 0xe3, 0xe3}, // 3 instructions, one word of codes: save_fplr_x #16; end
        .ret = 0xd65f03c0};
    return machine == Machine::x64 ? x64 : arm64;
}

uc_struct* open_processor(Machine machine) {
    uc_engine* uc = nullptr;
    const auto check = [](uc_err error) {
        if (error != UC_ERR_OK)
            throw std::runtime_error(uc_strerror(error));
    };
    if (machine == Machine::x64) {
        check(uc_open(UC_ARCH_X86, UC_MODE_64, &uc));
        return uc;
    }
    check(uc_open(UC_ARCH_ARM64, UC_MODE_ARM, &uc));
    check(uc_ctl_set_cpu_model(uc, UC_CPU_ARM64_MAX));
    const std::uint64_t vectors = 3u << 20;
    check(uc_reg_write(uc, UC_ARM64_REG_CPACR_EL1, &vectors));
    return uc;
}

} // namespace suture::test
