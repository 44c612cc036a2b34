#include "engine/isa/isa.hpp"
#include "engine/isa/x64/continuation.hpp"
#include "tests/engine/isa/x64/disassembly.hpp"

#include <gtest/gtest.h>

namespace suture::isa::x64 {
namespace {

constexpr Va kEntry{0x1'8000'1000};
constexpr Va kAt{0x1'9000'0000};

TEST(Continuation, RunsTheDisplacedInstructionsAsTheyRanAtTheEntry) {
    const struct {
        const char* displaced; // at 180001000
        const char* moved;     // at 190000000
        Text text;
    } cases[] = {
        // copied as they are
        {"48 83 ec 28 90", "48 83 ec 28 90 e9 fb 0f 00 f0", {"sub rsp, 0x28", "nop", "jmp 0x0000000180001005"}},
        {"55 48 89 e5 53",
         "55 48 89 e5 53 e9 fb 0f 00 f0",
         {"push rbp", "mov rbp, rsp", "push rbx", "jmp 0x0000000180001005"}},
        {"f3 0f 1e fa 53", "f3 0f 1e fa 53 e9 fb 0f 00 f0", {"endbr64", "push rbx", "jmp 0x0000000180001005"}},
        {"48 89 5c 24 08", "48 89 5c 24 08 e9 fb 0f 00 f0", {"mov [rsp+0x08], rbx", "jmp 0x0000000180001005"}},
        // RIP-relative operands are re-based; an immediate may follow the displacement
        {"48 8b 05 f9 0f 00 00",
         "48 8b 05 f9 1f 00 f0 e9 fb 0f 00 f0",
         {"mov rax, [0x0000000180002000]", "jmp 0x0000000180001007"}},
        {"c7 05 f6 0f 00 00 01 00 00 00",
         "c7 05 f6 1f 00 f0 01 00 00 00 e9 fb 0f 00 f0",
         {"mov dword ptr [0x0000000180002000], 0x01", "jmp 0x000000018000100A"}},
        {"c5 fb 10 05 f8 0f 00 00",
         "c5 fb 10 05 f8 1f 00 f0 e9 fb 0f 00 f0",
         {"vmovsd xmm0, qword ptr [0x0000000180002000]", "jmp 0x0000000180001008"}},
        {"48 8d 05 f9 ff ff ff",
         "48 8d 05 f9 0f 00 f0 e9 fb 0f 00 f0", // the function's own address
         {"lea rax, [0x0000000180001000]", "jmp 0x0000000180001007"}},
        // branches become long; a jump needs no way back
        {"85 c9 74 10 90",
         "85 c9 0f 84 0c 10 00 f0 90 e9 f7 0f 00 f0",
         {"test ecx, ecx", "jz 0x0000000180001014", "nop", "jmp 0x0000000180001005"}},
        {"0f 8f fa 0f 00 00",
         "0f 8f fa 1f 00 f0 e9 fb 0f 00 f0",
         {"jnle 0x0000000180002000", "jmp 0x0000000180001006"}},
        {"75 03 31 c0 c3", "0f 85 ff 0f 00 f0 31 c0 c3", {"jnz 0x0000000180001005", "xor eax, eax", "ret"}},
        {"e9 fb 0f 00 00", "e9 fb 1f 00 f0", {"jmp 0x0000000180002000"}},
        {"eb 7e", "e9 7b 10 00 f0", {"jmp 0x0000000180001080"}},
        {"ff 25 fa 0f 00 00", "ff 25 fa 1f 00 f0", {"jmp [0x0000000180002000]"}},
        {"48 ff 25 f9 0f 00 00", "48 ff 25 f9 1f 00 f0", {"jmp [0x0000000180002000]"}},
        {"ff e0", "ff e0", {"jmp rax"}},
        // loops to the entry go through the site again
        {"48 ff c9 75 fb",
         "48 ff c9 0f 85 f7 0f 00 f0 e9 f7 0f 00 f0",
         {"dec rcx", "jnz 0x0000000180001000", "jmp 0x0000000180001005"}},
        // what never goes on needs no way back; what a debugger may step over does
        {"31 c0 c3", "31 c0 c3", {"xor eax, eax", "ret"}},
        {"0f 0b", "0f 0b", {"ud2"}},
        {"cd 29", "cd 29", {"int 0x29"}},
        {"48 83 ec 28 cc", "48 83 ec 28 cc e9 fb 0f 00 f0", {"sub rsp, 0x28", "int3", "jmp 0x0000000180001005"}},
        // calls push the address behind the original call
        {"e8 fb 0f 00 00",
         "68 05 10 00 80 c7 44 24 04 01 00 00 00 e9 ee 1f 00 f0",
         {"push 0xFFFFFFFF80001005", "mov dword ptr [rsp+0x04], 0x01", "jmp 0x0000000180002000"}},
        {"48 83 ec 28 e8 00 00 00 00",
         "48 83 ec 28 68 09 10 00 80 c7 44 24 04 01 00 00 00 e9 f3 0f 00 f0",
         {"sub rsp, 0x28", "push 0xFFFFFFFF80001009", "mov dword ptr [rsp+0x04], 0x01", "jmp 0x0000000180001009"}},
        {"ff 15 fa 0f 00 00",
         "68 06 10 00 80 c7 44 24 04 01 00 00 00 ff 25 ed 1f 00 f0",
         {"push 0xFFFFFFFF80001006", "mov dword ptr [rsp+0x04], 0x01", "jmp [0x0000000180002000]"}},
        {"ff d0",
         "68 02 10 00 80 c7 44 24 04 01 00 00 00 ff e0",
         {"push 0xFFFFFFFF80001002", "mov dword ptr [rsp+0x04], 0x01", "jmp rax"}},
        {"41 ff 54 24 08",
         "68 05 10 00 80 c7 44 24 04 01 00 00 00 41 ff 64 24 08",
         {"push 0xFFFFFFFF80001005", "mov dword ptr [rsp+0x04], 0x01", "jmp [r12+0x08]"}},
    };
    for (const auto& c : cases) {
        const auto moved = continuation(hex(c.displaced), kEntry, kAt);
        ASSERT_TRUE(moved) << c.displaced << ": " << moved.error().message();
        EXPECT_EQ(*moved, hex(c.moved)) << c.displaced;
        EXPECT_EQ(disassemble(*moved, kAt), c.text) << c.displaced;
        EXPECT_LE(moved->size(), Isa::kContinuationSize);
        EXPECT_TRUE(check_movable(hex(c.displaced))) << c.displaced;
    }
}

TEST(Continuation, RefusesWhatCannotBeMoved) {
    const struct {
        const char* displaced;
        const char* why;
    } cases[] = {
        {"", "0 displaced bytes"},
        {"48 83 ec 28 48", "no whole instruction at entry+0x4"},
        {"06 90 90 90 90", "no whole instruction at entry+0x0"},
        {"90 90 90 e2 10", "entry+0x3 cannot be moved: loop"},
        {"90 90 90 e3 10", "jrcxz"},
        {"c7 f8 00 00 00 00", "xbegin"},
        {"85 c9 74 ff 90", "entry+0x3, which is displaced"},        // jz into itself
        {"74 01 90 90 90", "entry+0x3, which is displaced"},        // jz over a nop
        {"eb 00 90 90 90", "entry+0x2, which is displaced"},        //
        {"48 8d 05 fa ff ff ff", "entry+0x1, which is displaced"},  // lea rax, [entry+1]
        {"48 8b 05 f9 ff ff ff", "entry+0x0, which is displaced"},  // mov rax, [entry]: would read the site
        {"ff d0 90 90 90", "would return into displaced bytes"},    //
        {"e8 10 00 00 00 90", "would return into displaced bytes"}, //
        {"ff 54 24 08", "stack pointer"},                           // call [rsp+8]
        {"ff d4", "stack pointer"},                                 // call rsp
        {"e8 fe ff ff ff", "entry+0x3, which is displaced"},        //
        {"67 8b 05 00 00 00 00", "EIP-relative"},                   //
        {"74 50 74 50 74 50 74 50 74 50 74 50 74 50 74 50 74 50", "bytes, 64 is the most"},
    };
    for (const auto& c : cases) {
        const auto moved = continuation(hex(c.displaced), kEntry, kAt);
        ASSERT_FALSE(moved) << c.displaced;
        EXPECT_EQ(moved.error().code(), Code::site_unproved) << c.displaced;
        EXPECT_NE(moved.error().detail().find(c.why), std::string::npos) << moved.error().detail();
        EXPECT_FALSE(check_movable(hex(c.displaced))) << c.displaced;
    }
}

TEST(Continuation, RefusesOperandsOutOfReach) {
    const Va far = kEntry + 0x1'0000'0000;
    for (const char* text : {"48 8b 05 f9 0f 00 00", "85 c9 74 10 90", "ff 25 fa 0f 00 00", "ff 15 fa 0f 00 00"}) {
        const auto moved = continuation(hex(text), kEntry, far);
        ASSERT_FALSE(moved) << text;
        EXPECT_EQ(moved.error().code(), Code::branch_out_of_reach) << text;
    }
}

TEST(Continuation, GoesThroughALiteralWhereANearJumpDoesNotReach) {
    const Va far = kEntry + 0x1'0000'0000;
    EXPECT_EQ(*continuation(hex("48 83 ec 28 90"), kEntry, far), // sub rsp, 28h; nop; jmp [rip+0]; 180001005
              hex("48 83 ec 28 90 ff 25 00 00 00 00 05 10 00 80 01 00 00 00"));
    EXPECT_EQ(*continuation(hex("e9 fb 0f 00 00"), kEntry, far), hex("ff 25 00 00 00 00 00 20 00 80 01 00 00 00"));
}

TEST(Continuation, ReachesExactlyAsFarAsARel32) {
    const Bytes load = hex("48 8b 05 f9 0f 00 00"); // mov rax, [entry+0x1000]
    const Va last = kEntry + 0x1000 + 0x8000'0000 - 7;
    EXPECT_TRUE(continuation(load, kEntry, last));
    EXPECT_FALSE(continuation(load, kEntry, last + 1));
    const Va first = kEntry + 0x1000 - 0x7fff'ffff - 7;
    EXPECT_TRUE(continuation(load, kEntry, first));
    EXPECT_FALSE(continuation(load, kEntry, first - 1));
}

TEST(EndsFlow, IsTrueOfWhatNeverGoesOn) {
    for (const char* text : {"c3", "31 c0 c3", "eb 10", "0f 0b", "ff e0"})
        EXPECT_TRUE(ends_flow(hex(text))) << text;
    for (const char* text : {"", "90", "ff d0", "74 10", "cc", "c3 90", "31"})
        EXPECT_FALSE(ends_flow(hex(text))) << text;
}

} // namespace
} // namespace suture::isa::x64
