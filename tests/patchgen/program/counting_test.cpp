// Whether code adds to an address that it has taken, by code that takes one of a text of six bytes first.
#include "patchgen/program/counting.hpp"
#include "patchgen/program/machine_code.hpp"

#include <gtest/gtest.h>

namespace suture::program {
namespace {

constexpr std::uint32_t kText = 6;

struct Sample {
    const char* text;
    std::vector<std::vector<std::uint8_t>> instructions;
};

bool counts(Machine machine, const std::vector<std::vector<std::uint8_t>>& instructions) {
    Bytes code;
    std::vector<std::uint32_t> offsets;
    for (const auto& instruction : instructions) {
        offsets.push_back(static_cast<std::uint32_t>(code.size()));
        code.insert(code.end(), instruction.begin(), instruction.end());
    }
    const Stretch stretch{.begin = Rva{0x1000}, .bytes = code, .image_base = Va{0x180000000}};
    return machine_code(machine).counts_from(stretch, offsets, {}, 0, kText);
}

bool counts_x64(const Sample& sample) {
    std::vector<std::vector<std::uint8_t>> code = sample.instructions;
    code.insert(code.begin(), {0x48, 0x8d, 0x05, 0, 1, 0, 0}); // lea rax, [rip + 0x100]
    code.push_back({0xc3});
    return counts(Machine::x64, code);
}

bool counts_arm64(const Sample& sample) {
    std::vector<std::vector<std::uint8_t>> code = sample.instructions;
    code.insert(code.begin(), {0x00, 0x01, 0x04, 0x91}); // add x0, x8, #0x100
    code.push_back({0xc0, 0x03, 0x5f, 0xd6});
    return counts(Machine::arm64, code);
}

TEST(Counting, IsSeenInX64Code) {
    const Sample samples[] = {
        {"mov al, [rax+rcx]", {{0x8a, 0x04, 0x08}}},
        {"lea rax, [rax+rcx*8]", {{0x48, 0x8d, 0x04, 0xc8}}},
        {"add rax, rcx", {{0x48, 0x01, 0xc8}}},
        {"add rcx, rax", {{0x48, 0x01, 0xc1}}},
        {"add rax, 6", {{0x48, 0x83, 0xc0, 0x06}}},
        {"mov eax, [rax+4]: two bytes behind it", {{0x8b, 0x40, 0x04}}},
        {"mov [rsp+8], rax; mov rdx, [rsp+8]; add rdx, rcx",
         {{0x48, 0x89, 0x44, 0x24, 0x08}, {0x48, 0x8b, 0x54, 0x24, 0x08}, {0x48, 0x01, 0xca}}},
        {"mov rbx, rax; call [rdx]; mov al, [rbx+rcx]", {{0x48, 0x89, 0xc3}, {0xff, 0x12}, {0x8a, 0x04, 0x0b}}},
        {"cmovne rdx, rax; mov dl, [rdx+rcx]", {{0x48, 0x0f, 0x45, 0xd0}, {0x8a, 0x14, 0x0a}}},
        {"jmp +2; ret; int3; add rax, rcx", {{0xeb, 0x02}, {0xc3}, {0xcc}, {0x48, 0x01, 0xc8}}},
        {"add rdx, rcx; mov rdx, rax; jne to its begin: the second time round",
         {{0x48, 0x01, 0xca}, {0x48, 0x89, 0xc2}, {0x75, 0xf8}}},
    };
    for (const Sample& sample : samples)
        EXPECT_TRUE(counts_x64(sample)) << sample.text;
}

TEST(Counting, IsNotSeenInOtherX64Code) {
    const Sample samples[] = {
        {"nothing", {}},
        {"inc rax", {{0x48, 0xff, 0xc0}}},
        {"add rax, 5", {{0x48, 0x83, 0xc0, 0x05}}},
        {"mov eax, [rax+2]", {{0x8b, 0x40, 0x02}}},
        {"mov rcx, rax; jmp [rdx]", {{0x48, 0x89, 0xc1}, {0xff, 0x22}}},
        {"call [rdx]; mov al, [rax+rcx]: of the result", {{0xff, 0x12}, {0x8a, 0x04, 0x08}}},
        {"xor eax, eax; mov al, [rax+rcx]", {{0x31, 0xc0}, {0x8a, 0x04, 0x08}}},
        {"sub rcx, rax; mov al, [rdx+rcx]: a distance", {{0x48, 0x29, 0xc1}, {0x8a, 0x04, 0x0a}}},
        {"ret; add rax, rcx", {{0xc3}, {0x48, 0x01, 0xc8}}},
    };
    for (const Sample& sample : samples)
        EXPECT_FALSE(counts_x64(sample)) << sample.text;
}

TEST(Counting, IsSeenInArm64Code) {
    const Sample samples[] = {
        {"ldrb w0, [x0, x1]", {{0x00, 0x68, 0x61, 0x38}}},
        {"ldr w0, [x0, x1, lsl #2]", {{0x00, 0x78, 0x61, 0xb8}}},
        {"ldr q0, [x0, x1]", {{0x00, 0x68, 0xe1, 0x3c}}},
        {"strb w1, [x2, x0]", {{0x41, 0x68, 0x20, 0x38}}},
        {"add x0, x0, x1", {{0x00, 0x00, 0x01, 0x8b}}},
        {"add x0, x0, w1, uxtw #3", {{0x00, 0x4c, 0x21, 0x8b}}},
        {"add x0, x0, #6", {{0x00, 0x18, 0x00, 0x91}}},
        {"madd x0, x1, x2, x0", {{0x20, 0x00, 0x02, 0x9b}}},
        {"ldr w0, [x0, #4]: two bytes behind it", {{0x00, 0x04, 0x40, 0xb9}}},
        {"ldp w1, w2, [x0]", {{0x01, 0x08, 0x40, 0x29}}},
        {"ldrb w1, [x0], #6", {{0x01, 0x64, 0x40, 0x38}}},
        {"str x0, [sp, #8]; ldr x2, [sp, #8]; add x2, x2, x1",
         {{0xe0, 0x07, 0x00, 0xf9}, {0xe2, 0x07, 0x40, 0xf9}, {0x42, 0x00, 0x01, 0x8b}}},
        {"stp x0, x1, [sp, #16]; ldp x3, x4, [sp, #16]; add x3, x3, x1",
         {{0xe0, 0x07, 0x01, 0xa9}, {0xe3, 0x13, 0x41, 0xa9}, {0x63, 0x00, 0x01, 0x8b}}},
        {"csel x2, x2, x0, eq; add x2, x2, x1", {{0x42, 0x00, 0x80, 0x9a}, {0x42, 0x00, 0x01, 0x8b}}},
    };
    for (const Sample& sample : samples)
        EXPECT_TRUE(counts_arm64(sample)) << sample.text;
}

TEST(Counting, IsNotSeenInOtherArm64Code) {
    const Sample samples[] = {
        {"nothing", {}},
        {"add x0, x0, #1", {{0x00, 0x04, 0x00, 0x91}}},
        {"ldrb w1, [x0], #1", {{0x01, 0x14, 0x40, 0x38}}},
        {"ldr w1, [x0]", {{0x01, 0x00, 0x40, 0xb9}}},
        {"mov x3, x0", {{0xe3, 0x03, 0x00, 0xaa}}},
        {"bl; ldrb w0, [x0, x1]: of the result", {{0x00, 0x00, 0x00, 0x94}, {0x00, 0x68, 0x61, 0x38}}},
        {"sub x1, x1, x0; ldrb w1, [x2, x1]: a distance", {{0x21, 0x00, 0x00, 0xcb}, {0x41, 0x68, 0x61, 0x38}}},
    };
    for (const Sample& sample : samples)
        EXPECT_FALSE(counts_arm64(sample)) << sample.text;
}

/// Time is bounded, whatever a hostile image holds.
TEST(Counting, IsAssumedWhereAnAddressWouldHaveToBeFollowedForLong) {
    const auto tests = [](std::size_t count) {
        return Sample{"test ecx, ecx, many times", std::vector<std::vector<std::uint8_t>>(count, {0x85, 0xc9})};
    };
    EXPECT_FALSE(counts_x64(tests(1000)));
    EXPECT_TRUE(counts_x64(tests(2 * kMostSteps)));
    const auto stores = [](std::uint8_t count) {
        Sample sample{"mov [rsp+n], rax, for many n", {}};
        for (std::uint8_t n = 0; n < count; ++n)
            sample.instructions.push_back({0x48, 0x89, 0x44, 0x24, n});
        return sample;
    };
    EXPECT_FALSE(counts_x64(stores(8)));
    EXPECT_TRUE(counts_x64(stores(2 * kMostPlaces)));
}

} // namespace
} // namespace suture::program
