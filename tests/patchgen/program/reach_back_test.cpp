// How far code gets in front of an address that its first instruction takes.
#include "patchgen/program/machine_code.hpp"

#include <gtest/gtest.h>

namespace suture::program {
namespace {

struct Sample {
    const char* text;
    std::uint32_t bytes;
    bool is_open;
    std::vector<std::vector<std::uint8_t>> instructions;
};

ReachBack reach(Machine machine, const std::vector<std::vector<std::uint8_t>>& instructions) {
    Bytes code;
    std::vector<std::uint32_t> offsets;
    for (const auto& instruction : instructions) {
        offsets.push_back(static_cast<std::uint32_t>(code.size()));
        code.insert(code.end(), instruction.begin(), instruction.end());
    }
    const Stretch stretch{.begin = Rva{0x1000}, .bytes = code, .image_base = Va{0x180000000}};
    const std::uint32_t first[] = {0};
    return machine_code(machine).reach_back(stretch, offsets, {}, first);
}

void expect(Machine machine, const Sample& sample, const std::vector<std::uint8_t>& takes,
            const std::vector<std::uint8_t>& returns) {
    auto code = sample.instructions;
    code.insert(code.begin(), takes);
    code.push_back(returns);
    const ReachBack found = reach(machine, code);
    EXPECT_EQ(found.bytes, sample.bytes) << sample.text;
    EXPECT_EQ(found.is_open, sample.is_open) << sample.text;
}

TEST(ReachBack, OfX64Code) {
    const Sample samples[] = {
        {"mov eax, [rax-8]", 8, false, {{0x8b, 0x40, 0xf8}}},
        {"sub rax, 16; mov eax, [rax+4]", 12, false, {{0x48, 0x83, 0xe8, 0x10}, {0x8b, 0x40, 0x04}}},
        {"lea rdx, [rax-52]; then down by 4: the end of the loop says how far",
         52,
         true,
         {{0x48, 0x8d, 0x50, 0xcc}, {0x48, 0x83, 0xe8, 0x04}, {0x8b, 0x08}, {0x48, 0x39, 0xd0}, {0x75, 0xf5}}},
        {"mov rcx, -8; mov edx, [rax+rcx*4]",
         32,
         false,
         {{0x48, 0xc7, 0xc1, 0xf8, 0xff, 0xff, 0xff}, {0x8b, 0x14, 0x88}}},
        {"mov rcx, -8; up by one: mov edx, [rax+rcx*4]",
         32,
         false,
         {{0x48, 0xc7, 0xc1, 0xf8, 0xff, 0xff, 0xff}, {0x8b, 0x14, 0x88}, {0x48, 0xff, 0xc1}, {0x75, 0xf8}}},
        {"neg rcx; mov edx, [rax+rcx*4]", 0, true, {{0x48, 0xf7, 0xd9}, {0x8b, 0x14, 0x88}}},
        {"sub rax, rcx; mov edx, [rax]", 0, true, {{0x48, 0x29, 0xc8}, {0x8b, 0x10}}},
        {"mov [rsp+8], rax; call [rdx]; mov rcx, [rsp+8]; mov edx, [rcx-4]",
         4,
         false,
         {{0x48, 0x89, 0x44, 0x24, 0x08}, {0xff, 0x12}, {0x48, 0x8b, 0x4c, 0x24, 0x08}, {0x8b, 0x51, 0xfc}}},
        {"cmovne rcx, rax: it may be something else; dec rcx; mov dl, [rcx]",
         0,
         false,
         {{0x48, 0x0f, 0x45, 0xc8}, {0x48, 0xff, 0xc9}, {0x8a, 0x11}}},
    };
    for (const Sample& sample : samples)
        expect(Machine::x64, sample, {0x48, 0x8d, 0x05, 0, 1, 0, 0}, {0xc3}); // lea rax, [rip + 0x100]; ret
}

TEST(ReachBack, OfX64CodeThatStays) {
    const Sample samples[] = {
        {"mov eax, [rax]", 0, false, {{0x8b, 0x00}}},
        {"up by 4: add rax, 4; mov ecx, [rax-4]",
         0,
         false,
         {{0x48, 0x83, 0xc0, 0x04}, {0x8b, 0x48, 0xfc}, {0x75, 0xf7}}},
        {"mov edx, [rax+rcx*4-4]", 0, false, {{0x8b, 0x54, 0x88, 0xfc}}},
        {"mov ecx, -8; mov edx, [rax+rcx*4]: 32 bits are not negative",
         0,
         false,
         {{0xb9, 0xf8, 0xff, 0xff, 0xff}, {0x8b, 0x14, 0x88}}},
        {"call [rdx]; mov ecx, [rax-4]: of the result", 0, false, {{0xff, 0x12}, {0x8b, 0x48, 0xfc}}},
        {"mov [rsp+8], rax; mov [rsp+8], rdx; mov rcx, [rsp+8]; mov edx, [rcx-4]",
         0,
         false,
         {{0x48, 0x89, 0x44, 0x24, 0x08},
          {0x48, 0x89, 0x54, 0x24, 0x08},
          {0x48, 0x8b, 0x4c, 0x24, 0x08},
          {0x8b, 0x51, 0xfc}}},
        {"lea rdx, [rax-52]; cmp rdx, rcx", 0, false, {{0x48, 0x8d, 0x50, 0xcc}, {0x48, 0x39, 0xca}}},
        {"ret; mov eax, [rax-8]", 0, false, {{0xc3}, {0x8b, 0x40, 0xf8}}},
    };
    for (const Sample& sample : samples)
        expect(Machine::x64, sample, {0x48, 0x8d, 0x05, 0, 1, 0, 0}, {0xc3});
}

std::vector<std::uint8_t> word(std::uint32_t value) {
    std::vector<std::uint8_t> bytes;
    for (unsigned shift = 0; shift < 32; shift += 8)
        bytes.push_back(static_cast<std::uint8_t>(value >> shift));
    return bytes;
}

TEST(ReachBack, OfArm64Code) {
    const Sample samples[] = {
        {"ldur w1, [x0, #-8]", 8, false, {word(0xb85f8001)}},
        {"sub x0, x0, #16; ldr w1, [x0, #4]", 12, false, {word(0xd1004000), word(0xb9400401)}},
        {"sub x2, x0, #52; then ldr w1, [x0, #-4]! down to x2",
         52,
         true,
         {word(0xd100d002), word(0xb85fcc01), word(0xeb02001f), word(0x54ffffc1)}},
        {"mov x9, #-8; ldr w1, [x0, x9, lsl #2]", 32, false, {word(0x928000e9), word(0xb8697801)}},
        {"neg x9, x9; ldr w1, [x0, x9, lsl #2]", 0, true, {word(0xcb0903e9), word(0xb8697801)}},
        {"sub x0, x0, x9; ldr w1, [x0]", 0, true, {word(0xcb090000), word(0xb9400001)}},
        {"str x0, [sp, #8]; blr x2; ldr x3, [sp, #8]; ldur w1, [x3, #-4]",
         4,
         false,
         {word(0xf90007e0), word(0xd63f0040), word(0xf94007e3), word(0xb85fc061)}},
        {"mov x9, #-8; add x1, x0, x9, lsl #2; ldr w1, [x1]",
         32,
         false,
         {word(0x928000e9), word(0x8b090801), word(0xb9400021)}},
    };
    for (const Sample& sample : samples)
        expect(Machine::arm64, sample, word(0x91040100), word(0xd65f03c0)); // add x0, x8, #0x100; ret
}

TEST(ReachBack, OfArm64CodeThatStays) {
    const Sample samples[] = {
        {"ldr w1, [x0]", 0, false, {word(0xb9400001)}},
        {"ldr w1, [x0], #4 in a loop", 0, false, {word(0xb8404401), word(0x54ffffe1)}},
        {"add x0, x0, #4; ldur w1, [x0, #-4] in a loop",
         0,
         false,
         {word(0x91001000), word(0xb85fc001), word(0x54ffffc1)}},
        {"ldr w1, [x0, x9, lsl #2]", 0, false, {word(0xb8697801)}},
        {"mov w9, #-8; ldr w1, [x0, x9, lsl #2]: 32 bits are not negative",
         0,
         false,
         {word(0x128000e9), word(0xb8697801)}},
        {"blr x2; ldur w1, [x0, #-4]: of the result", 0, false, {word(0xd63f0040), word(0xb85fc001)}},
    };
    for (const Sample& sample : samples)
        expect(Machine::arm64, sample, word(0x91040100), word(0xd65f03c0));
}

} // namespace
} // namespace suture::program
