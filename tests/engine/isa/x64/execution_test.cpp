#include "engine/isa/isa.hpp"
#include "tests/engine/isa/x64/disassembly.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <optional>

// Each function is assembled, run, redirected as a loader would do it, and run again through its continuation and
// through a replacement. BLOB(name, fill or data before, the function, fill behind, data behind that).
#define BLOB(name, before, code, after, rest)                                                                          \
    asm(".pushsection .rodata\n.intel_syntax noprefix\n" #name "_begin:\n" before "\n" #name "_entry:\n" code          \
        "\n" #name "_end:\n" after "\n" #name "_after:\n" rest "\n" #name "_stop:\n.att_syntax\n.popsection\n");       \
    extern "C" const std::uint8_t name##_begin[], name##_entry[], name##_end[], name##_after[], name##_stop[]

#define INT3_6 ".fill 6, 1, 0xcc"
#define NOP_10 ".byte 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0"

BLOB(padded_nop, INT3_6, ".byte 0x66, 0x90; lea rax, [rdi+1]; ret", "", "");
BLOB(padded_mov, NOP_10, "mov rax, rdi; add rax, 3; ret", "", "");
BLOB(padded_endbr, INT3_6, "endbr64; lea rax, [rdi+2]; ret", "", "");
BLOB(whole_load, INT3_6, "mov rax, [rip+1f]; add rax, rdi; ret", "", "1: .quad 1234567");
BLOB(whole_compare, INT3_6, "cmp dword ptr [rip+1f], 42; sete al; movzx eax, al; ret", "", "1: .long 42");
BLOB(whole_own_address, INT3_6, "0: lea rax, [rip+0b]; ret", "", "");
BLOB(padded_short_jump, INT3_6, "jmp 1f; ud2; 1: mov rax, rdi; ret", "", "");
BLOB(whole_call, INT3_6, "call 1f; add rax, rdi; ret", "", "1: mov rax, [rsp]; ret");
BLOB(whole_call_slot, INT3_6, "call [rip+1f]; add rax, rdi; ret", "", "1: .quad 0");
BLOB(padded_call_register, INT3_6, "call rsi; add rax, rdi; ret", "", "");
BLOB(whole_jump_slot, INT3_6, "jmp [rip+1f]", "", "1: .quad 0");
BLOB(cave_behind, "", "mov rax, rdi; add rax, 4; ret", NOP_10, "");
BLOB(prologue_push, "", "push rbp; mov rbp, rsp; push rbx; mov rbx, rdi; lea rax, [rbx+rbx]; pop rbx; pop rbp; ret", "",
     "");
BLOB(prologue_frame, "", "sub rsp, 24; xor eax, eax; add rax, rdi; add rsp, 24; ret", "", "");
BLOB(prologue_branch, "", "test rdi, rdi; jz 1f; mov eax, 1; ret; 1: mov eax, 2; ret", "", "");
BLOB(prologue_store, "", "mov [rsp-16], rdi; mov rax, [rsp-16]; ret", "", "");
BLOB(prologue_loop, "", "0: test rdi, rdi; jz 1f; dec rdi; jmp 0b; 1: mov eax, 99; ret", "", "");
BLOB(prologue_recursion, "",
     "0: test rdi, rdi; jz 1f; push rdi; dec rdi; call 0b; pop rdi; add rax, rdi; ret; 1: xor eax, eax; ret", "", "");
BLOB(prologue_call_register, "", "mov rax, rsi; call rax; add rax, rdi; ret", "", "");
BLOB(prologue_call, "", "sub rsp, 8; call 1f; add rsp, 8; ret", "", "1: mov rax, [rsp]; ret");
BLOB(prologue_call_next, "", "push rdi; call 1f; 1: pop rax; pop rdi; ret", "", "");
BLOB(prologue_near_jump, "", ".byte 0xe9; .long 1f - . - 4", "", "ud2; 1: lea rax, [rdi+5]; ret");
BLOB(prologue_jump_slot, "", "jmp [rip+1f]", "", "1: .quad 0");
BLOB(prologue_load, "", "push rbx; mov rbx, [rip+1f]; lea rax, [rbx+rdi]; pop rbx; ret", "", "1: .quad 7654321");
BLOB(tail_return, "", "mov eax, edi; ret", "int3; int3; int3", "");
BLOB(tail_nop, "", "xor eax, eax; ret", NOP_10, "");
BLOB(tail_jump, "", "jmp 1f", "nop; nop; nop; nop", "1: lea rax, [rdi+6]; ret");
BLOB(tail_register, "", "jmp rsi", "int3; int3; int3; int3", "");

asm(".pushsection .text\nreturn_address_helper: mov (%rsp), %rax\n ret\n.popsection");
extern "C" const std::uint8_t return_address_helper[];

namespace suture::isa {
namespace {

using Function = std::uint64_t (*)(std::uint64_t, const std::uint8_t*);

/// One call instruction for all calls, so that even return addresses can be compared.
[[gnu::noinline]] std::uint64_t call(std::uint64_t function, std::uint64_t argument) {
    return reinterpret_cast<Function>(function)(argument, return_address_helper);
}

std::uint64_t replacement(std::uint64_t argument, const std::uint8_t*) {
    return argument * 31 + 7;
}

struct Case {
    std::string name;
    SiteKind kind;
    Bytes bytes;
    std::uint32_t entry, end, after; ///< offsets into bytes
};

#define CASE(name, kind)                                                                                               \
    Case {                                                                                                             \
#name, SiteKind::kind, Bytes(name##_begin, name##_stop),                                                       \
            static_cast < std::uint32_t>(name##_entry - name##_begin),                                                 \
            static_cast < std::uint32_t>(name##_end - name##_begin),                                                   \
            static_cast < std::uint32_t>(name##_after - name##_begin)                                                  \
    }

std::vector<Case> cases() {
    std::vector<Case> out{
        CASE(padded_nop, x64_padded),
        CASE(padded_mov, x64_padded),
        CASE(padded_endbr, x64_padded),
        CASE(whole_load, x64_prologue),
        CASE(whole_compare, x64_prologue),
        CASE(whole_own_address, x64_prologue),
        CASE(padded_short_jump, x64_padded),
        CASE(whole_call, x64_prologue),
        CASE(whole_call_slot, x64_prologue),
        CASE(padded_call_register, x64_padded),
        CASE(whole_jump_slot, x64_prologue),
        CASE(cave_behind, x64_cave),
        CASE(prologue_push, x64_prologue),
        CASE(prologue_frame, x64_prologue),
        CASE(prologue_branch, x64_prologue),
        CASE(prologue_store, x64_prologue),
        CASE(prologue_loop, x64_prologue),
        CASE(prologue_recursion, x64_prologue),
        CASE(prologue_call_register, x64_prologue),
        CASE(prologue_call, x64_prologue),
        CASE(prologue_call_next, x64_prologue),
        CASE(prologue_near_jump, x64_prologue),
        CASE(prologue_jump_slot, x64_prologue),
        CASE(prologue_load, x64_prologue),
        CASE(tail_return, x64_tail),
        CASE(tail_nop, x64_tail),
        CASE(tail_jump, x64_tail),
        CASE(tail_register, x64_tail),
    };
    // cmp rdi, 2; jcc 1f; mov eax, 1; ret; 1: mov eax, 2; ret
    for (std::uint8_t condition = 0; condition < 16; ++condition) {
        Bytes code = x64::hex("48 83 ff 02 70 06 b8 01 00 00 00 c3 b8 02 00 00 00 c3");
        code[4] = static_cast<std::uint8_t>(code[4] | condition);
        const auto size = static_cast<std::uint32_t>(code.size());
        out.push_back({"condition_" + std::to_string(condition), SiteKind::x64_prologue, code, 0, size, size});
    }
    return out;
}

/// Address space with a module at its start and a block of a stub page, a cell page and continuations in it.
class Space {
  public:
    static constexpr std::uint64_t kSize = 0x7ff0'0000;
    static constexpr std::uint64_t kModuleSize = 0x1000;
    static constexpr std::uint64_t kBlockSize = 0x3000;
    static constexpr std::uint32_t kFunctionAt = 0x100;

    explicit Space(std::uint64_t block) {
        void* memory = mmap(nullptr, kSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED)
            return;
        base_ = reinterpret_cast<std::uint64_t>(memory);
        block_ = base_ + block;
    }
    ~Space() {
        if (base_ != 0)
            munmap(reinterpret_cast<void*>(base_), kSize);
    }
    Space(const Space&) = delete;
    Space& operator=(const Space&) = delete;

    bool valid() const { return base_ != 0; }
    Va base() const { return {base_}; }
    Va stub() const { return {block_}; }
    Va cell() const { return {block_ + 0x1000}; }
    Va continuation() const { return {block_ + 0x2000}; }

    void writable() const {
        protect(base_, kModuleSize, PROT_READ | PROT_WRITE);
        protect(block_, kBlockSize, PROT_READ | PROT_WRITE);
    }
    void executable() const {
        protect(base_, kModuleSize, PROT_READ | PROT_EXEC);
        protect(block_, 0x1000, PROT_READ | PROT_EXEC);
        protect(block_ + 0x1000, 0x1000, PROT_READ);
        protect(block_ + 0x2000, 0x1000, PROT_READ | PROT_EXEC);
    }
    static void write(Va at, ByteView bytes) {
        std::memcpy(reinterpret_cast<void*>(at.value), bytes.data(), bytes.size());
    }

  private:
    static void protect(std::uint64_t at, std::uint64_t size, int how) {
        ASSERT_EQ(mprotect(reinterpret_cast<void*>(at), size, how), 0);
    }

    std::uint64_t base_ = 0;
    std::uint64_t block_ = 0;
};

constexpr std::uint64_t kArguments[] = {0, 1, 2, 3, 7, 100};

std::vector<std::uint64_t> results(Va function) {
    std::vector<std::uint64_t> out;
    for (const std::uint64_t argument : kArguments)
        out.push_back(call(function.value, argument));
    return out;
}

void point_cell_at(const Space& space, std::uint64_t to) {
    space.writable();
    Space::write(space.cell(), {reinterpret_cast<const std::uint8_t*>(&to), sizeof to});
    space.executable();
}

void redirect_and_run(const Case& c, const Space& space, bool wide) {
    const Isa& isa = *isa_for(Machine::x64);
    Bytes module(Space::kModuleSize, 0xf4);
    std::copy(c.bytes.begin(), c.bytes.end(), module.begin() + Space::kFunctionAt);
    if (c.name.ends_with("_slot")) {
        const auto helper = reinterpret_cast<std::uint64_t>(return_address_helper);
        std::memcpy(module.data() + Space::kFunctionAt + c.bytes.size() - sizeof helper, &helper, sizeof helper);
    }
    space.writable();
    Space::write(space.base(), module);
    space.executable();

    const Rva entry{Space::kFunctionAt + c.entry};
    const ByteView view(module);
    const ByteView behind = *view.slice(Space::kFunctionAt + c.end, c.after - c.end);
    const SiteQuestion::Pad cave{entry + (c.end - c.entry), behind};
    auto site = isa.choose_site({entry,
                                 c.end - c.entry,
                                 *view.slice(entry.value, c.end - c.entry),
                                 *view.slice(Space::kFunctionAt, c.entry),
                                 behind,
                                 {},
                                 c.kind == SiteKind::x64_cave ? std::span(&cave, 1) : std::span<SiteQuestion::Pad>()});
    ASSERT_TRUE(site) << site.error().message();
    EXPECT_EQ(site->kind, c.kind);
    if (wide && site->uses_pad()) {
        site->pad_size = Isa::kWideBranchSize;
        site->pad = site->pad - 1;
    } else if (wide && site->kind == SiteKind::x64_tail) {
        site->entry_size = Isa::kWideBranchSize;
    } else if (!wide && site->kind == SiteKind::x64_prologue && site->entry_size == Isa::kWideBranchSize) {
        site->entry_size = Isa::kBranchSize; // where an instruction ends with the fifth byte there is less to displace
        const auto instruction = [&](std::uint32_t at) {
            return isa.instruction_length(*view.from(entry.value + at)).value_or(1);
        };
        for (site->displaced = 0; site->displaced < site->entry_size;)
            site->displaced += instruction(site->displaced);
    }
    const auto proved = isa.prove_site(
        *site, *view.slice(entry.value, Isa::kEntryContext),
        site->uses_pad() ? *view.slice(site->pad.value - Isa::kPadContext, Isa::kPadContext + site->pad_size)
                         : ByteView());
    ASSERT_TRUE(proved) << proved.error().message();

    const Va function = space.base() + entry.value;
    const auto baseline = results(function);
    const ByteView displaced = *view.slice(entry.value, site->displaced);
    const auto continuation = isa.encode_continuation(displaced, function, space.continuation());
    ASSERT_TRUE(continuation) << continuation.error().message();
    const auto stub = isa.encode_stub(space.stub(), space.cell());
    ASSERT_TRUE(stub);
    const auto writes = isa.encode_site(*site, space.base(), space.stub(), space.cell());
    ASSERT_TRUE(writes) << writes.error().message();

    space.writable();
    Space::write(space.continuation(), *continuation);
    Space::write(space.stub(), *stub);
    for (const CodeWrite& write : *writes)
        Space::write(space.base() + write.at.value, write.bytes);
    const std::uint64_t original =
        isa.is_no_op(displaced) ? function.value + site->displaced : space.continuation().value;
    point_cell_at(space, original);
    EXPECT_EQ(results(function), baseline) << "through the continuation";

    point_cell_at(space, reinterpret_cast<std::uint64_t>(&replacement));
    for (const std::uint64_t argument : kArguments)
        EXPECT_EQ(call(function.value, argument), argument * 31 + 7) << "through the replacement";

    point_cell_at(space, original);
    EXPECT_EQ(results(function), baseline) << "rolled back";
}

TEST(Execution, RedirectedFunctionsDoWhatTheyDidBefore) {
    for (const std::uint64_t block : {std::uint64_t{0x2000}, Space::kSize - Space::kBlockSize}) {
        const Space space(block);
        if (!space.valid())
            GTEST_SKIP() << "no 2 GiB of address space";
        for (const Case& c : cases()) {
            SCOPED_TRACE(c.name);
            redirect_and_run(c, space, false);
            redirect_and_run(c, space, true);
        }
    }
}

} // namespace
} // namespace suture::isa
