// A process with threads in many states that check themselves.
//
//   threads.exe COUNT [WHAT]    COUNT threads, of all kinds in turn but "fault", or all of the kind WHAT (a name
//                               below); always one more that sleeps for ever
//
// Writes "module BASE SIZE PATH" for each loaded module, "ready COUNT", and then every 50 ms
// "alive N errors E stuck S": E wrong results so far, S threads that did nothing for two seconds.
// clang-format off: psapi.h needs windows.h before it
#include <windows.h>
#include <psapi.h>
// clang-format on

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_THREADS 512

static volatile LONG errors;
static volatile LONG started;
static volatile LONG counters[MAX_THREADS];
static HANDLE events[MAX_THREADS];

static void say(const char* text) {
    DWORD written;
    WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), text, (DWORD)strlen(text), &written, NULL);
}

static void check(int holds) {
    if (!holds)
        InterlockedIncrement(&errors);
}

// Fills all registers but the stack pointer, spins, and returns the number of those that changed. 128 bytes below it
// are left alone: PE code has no red zone, but a borrowed thread must not touch them either way.
int hold_registers(uint32_t spins);
#ifdef __aarch64__
__asm__(".text\n"
        ".globl hold_registers\n"
        "hold_registers:\n"
        "  stp x29, x30, [sp, #-160]!\n stp x19, x20, [sp, #16]\n stp x21, x22, [sp, #32]\n stp x23, x24, [sp, #48]\n"
        "  stp x25, x26, [sp, #64]\n stp x27, x28, [sp, #80]\n stp d8, d9, [sp, #96]\n stp d10, d11, [sp, #112]\n"
        "  stp d12, d13, [sp, #128]\n stp d14, d15, [sp, #144]\n"
        "  mov w1, #0x1001\n dup v0.2d, x1\n dup v8.2d, x1\n dup v15.2d, x1\n dup v31.2d, x1\n"
        "  mov x1, #1\n mov x2, #2\n mov x3, #3\n mov x4, #4\n mov x5, #5\n mov x6, #6\n mov x7, #7\n mov x8, #8\n"
        "  mov x9, #9\n mov x10, #10\n mov x11, #11\n mov x12, #12\n mov x13, #13\n mov x14, #14\n mov x15, #15\n"
        "  mov x16, #16\n mov x17, #17\n mov x19, #19\n mov x20, #20\n mov x21, #21\n mov x22, #22\n mov x23, #23\n"
        "  mov x24, #24\n mov x25, #25\n mov x26, #26\n mov x27, #27\n mov x28, #28\n mov x29, #29\n mov x30, #30\n"
        "  cmp xzr, xzr\n" // carry: neither of the next two changes it
        "1: sub w0, w0, #1\n b.cc 2f\n cbnz w0, 1b\n"
        // A sum of multiples, so that two that were exchanged show too.
        "  mov x0, x30\n"
        "  add x0, x0, x1, lsl #1\n add x0, x0, x2\n add x0, x0, x3, lsl #1\n add x0, x0, x4\n add x0, x0, x5, lsl #1\n"
        "  add x0, x0, x6\n add x0, x0, x7, lsl #1\n add x0, x0, x8\n add x0, x0, x9, lsl #1\n add x0, x0, x10\n"
        "  add x0, x0, x11, lsl #1\n add x0, x0, x12\n add x0, x0, x13, lsl #1\n add x0, x0, x14\n"
        "  add x0, x0, x15, lsl #1\n add x0, x0, x16\n add x0, x0, x17, lsl #1\n add x0, x0, x19, lsl #1\n"
        "  add x0, x0, x20\n add x0, x0, x21, lsl #1\n add x0, x0, x22\n add x0, x0, x23, lsl #1\n add x0, x0, x24\n"
        "  add x0, x0, x25, lsl #1\n add x0, x0, x26\n add x0, x0, x27, lsl #1\n add x0, x0, x28\n"
        "  add x0, x0, x29, lsl #1\n"
        "  sub x0, x0, #672\n"
        "  eor v0.16b, v0.16b, v31.16b\n eor v8.16b, v8.16b, v15.16b\n orr v0.16b, v0.16b, v8.16b\n"
        "  umov x1, v0.d[0]\n orr x0, x0, x1\n umov x1, v0.d[1]\n orr x0, x0, x1\n"
        "  umov x1, v15.d[1]\n sub x1, x1, #1, lsl #12\n sub x1, x1, #1\n orr x0, x0, x1\n"
        "  umov x1, v31.d[0]\n sub x1, x1, #1, lsl #12\n sub x1, x1, #1\n orr x0, x0, x1\n"
        "  b 3f\n"
        "2: mov x0, #1\n"
        "3: ldp x19, x20, [sp, #16]\n ldp x21, x22, [sp, #32]\n ldp x23, x24, [sp, #48]\n ldp x25, x26, [sp, #64]\n"
        "  ldp x27, x28, [sp, #80]\n ldp d8, d9, [sp, #96]\n ldp d10, d11, [sp, #112]\n ldp d12, d13, [sp, #128]\n"
        "  ldp d14, d15, [sp, #144]\n ldp x29, x30, [sp], #160\n"
        "  cmp x0, #0\n cset w0, ne\n ret\n");
#else
__asm__(".text\n"
        ".globl hold_registers\n"
        "hold_registers:\n"
        "  push rbx\n push rbp\n push rsi\n push rdi\n push r12\n push r13\n push r14\n push r15\n"
        "  sub rsp, 168\n"
        "  movups [rsp], xmm6\n movups [rsp+16], xmm7\n movups [rsp+32], xmm8\n movups [rsp+48], xmm9\n"
        "  movups [rsp+64], xmm10\n movups [rsp+80], xmm11\n movups [rsp+96], xmm12\n movups [rsp+112], xmm13\n"
        "  movups [rsp+128], xmm14\n movups [rsp+144], xmm15\n"
        "  mov eax, 0x1001\n movq xmm0, rax\n movq xmm5, rax\n movq xmm6, rax\n movq xmm15, rax\n"
        "  pshufd xmm0, xmm0, 0\n pshufd xmm15, xmm15, 0\n"
        "  mov ebx, 2\n mov edx, 3\n mov esi, 4\n mov edi, 5\n mov ebp, 6\n mov r8d, 7\n mov r9d, 8\n mov r10d, 9\n"
        "  mov r11d, 10\n mov r12d, 11\n mov r13d, 12\n mov r14d, 13\n mov r15d, 14\n"
        "1: stc\n dec ecx\n jnc 2f\n jnz 1b\n"
        "  lea rcx, [rbx+rdx]\n add rcx, rsi\n add rcx, rdi\n add rcx, rbp\n add rcx, r8\n add rcx, r9\n add rcx, r10\n"
        "  add rcx, r11\n add rcx, r12\n add rcx, r13\n add rcx, r14\n add rcx, r15\n add rcx, rax\n"
        "  sub ecx, 0x1069\n"
        "  movq rdx, xmm5\n sub edx, eax\n or ecx, edx\n movq rdx, xmm6\n sub edx, eax\n or ecx, edx\n"
        "  pxor xmm0, xmm15\n movhlps xmm1, xmm0\n movq rdx, xmm1\n or rcx, rdx\n movq rdx, xmm0\n or rcx, rdx\n"
        "  mov rax, rcx\n jmp 3f\n"
        "2: mov eax, 1\n"
        "3: movups xmm6, [rsp]\n movups xmm7, [rsp+16]\n movups xmm8, [rsp+32]\n movups xmm9, [rsp+48]\n"
        "  movups xmm10, [rsp+64]\n movups xmm11, [rsp+80]\n movups xmm12, [rsp+96]\n movups xmm13, [rsp+112]\n"
        "  movups xmm14, [rsp+128]\n movups xmm15, [rsp+144]\n"
        "  add rsp, 168\n"
        "  pop r15\n pop r14\n pop r13\n pop r12\n pop rdi\n pop rsi\n pop rbp\n pop rbx\n ret\n");
#endif

// Reads from an address, which is a fault; returns what the handler below puts in place of the number.
uint32_t read_nothing(const void* address);
#ifdef __aarch64__
__asm__(".globl read_nothing\nread_nothing:\n ldr w0, [x0]\n ret\n");
#else
__asm__(".globl read_nothing\nread_nothing:\n mov eax, [rcx]\n ret\n");
#endif
#define FAULT_READS 42

static LONG CALLBACK pass_over(EXCEPTION_POINTERS* pointers) {
    const EXCEPTION_RECORD* record = pointers->ExceptionRecord;
    if (record->ExceptionCode != EXCEPTION_ACCESS_VIOLATION || record->ExceptionAddress != (void*)&read_nothing)
        return EXCEPTION_CONTINUE_SEARCH;
#ifdef __aarch64__
    pointers->ContextRecord->X[0] = FAULT_READS;
    pointers->ContextRecord->Pc += 4;
#else
    pointers->ContextRecord->Rax = FAULT_READS;
    pointers->ContextRecord->Rip += 2;
#endif
    return EXCEPTION_CONTINUE_EXECUTION;
}

static uint32_t sum(uint32_t depth, uint32_t seed) {
    volatile uint32_t local[16];
    for (uint32_t i = 0; i < 16; ++i)
        local[i] = seed + i;
    uint32_t result = depth ? sum(depth - 1, seed + 1) : 0;
    for (uint32_t i = 0; i < 16; ++i)
        result += local[i];
    return result;
}

static void wait_with_timeout(int index) {
    check(WaitForSingleObject(events[index], 2) == WAIT_TIMEOUT);
}
static void spin(int index) {
    uint32_t value = (uint32_t)index;
    for (uint32_t i = 0; i < 200000; ++i)
        value = value * 1664525u + 1013904223u;
    static volatile uint32_t expected[MAX_THREADS];
    check(!expected[index] || expected[index] == value);
    expected[index] = value;
}
static void nap(int index) {
    (void)index;
    Sleep(1);
}
static void signal_event(int index) {
    check(SetEvent(events[index]));
    check(WaitForSingleObject(events[index], INFINITE) == WAIT_OBJECT_0);
}
static void yield(int index) {
    (void)index;
    SwitchToThread();
}
static void registers(int index) {
    (void)index;
    check(hold_registers(100000) == 0);
}
static void recurse(int index) {
    check(sum(200, (uint32_t)index) == 201 * (16 * (uint32_t)index + 120) + 16 * 20100);
}
static void floating(int index) {
    volatile double half = 0.5;
    double value = index;
    for (int i = 0; i < 100000; ++i)
        value = value * half + 1.0;
    check(value > 1.999999 && value < 2.000001);
}
static void query(int index) {
    MEMORY_BASIC_INFORMATION info;
    check(VirtualQuery((void*)&query, &info, sizeof(info)) == sizeof(info) && info.State == MEM_COMMIT);
    void* memory = VirtualAlloc(NULL, 0x3000, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
    check(memory != NULL);
    if (memory) {
        memset(memory, index, 0x3000);
        check(((unsigned char*)memory)[0x2fff] == (unsigned char)index);
        check(VirtualFree(memory, 0, MEM_RELEASE));
    }
}
static void fault(int index) {
    (void)index;
    check(read_nothing(NULL) == FAULT_READS);
}

static const struct {
    const char* name;
    void (*run)(int index);
} kinds[] = {{"wait", wait_with_timeout}, {"spin", spin},         {"nap", nap},
             {"signal", signal_event},    {"yield", yield},       {"registers", registers},
             {"recurse", recurse},        {"floating", floating}, {"query", query},
             {"fault", fault}};
#define KIND_COUNT ((int)(sizeof(kinds) / sizeof(kinds[0])))
static int only = -1;

static DWORD WINAPI work(void* parameter) {
    const int index = (int)(intptr_t)parameter;
    InterlockedIncrement(&started);
    for (;;) {
        kinds[only < 0 ? index % (KIND_COUNT - 1) : only].run(index);
        InterlockedIncrement(&counters[index]);
    }
    return 0;
}

static DWORD WINAPI sleep_for_ever(void* parameter) {
    (void)parameter;
    InterlockedIncrement(&started);
    Sleep(INFINITE);
    check(0);
    return 0;
}

static void list_modules(void) {
    HMODULE modules[256];
    DWORD size = 0;
    char line[1024], path[512];
    EnumProcessModules(GetCurrentProcess(), modules, sizeof(modules), &size);
    for (DWORD i = 0; i < size / sizeof(HMODULE); ++i) {
        MODULEINFO info;
        GetModuleInformation(GetCurrentProcess(), modules[i], &info, sizeof(info));
        GetModuleFileNameA(modules[i], path, sizeof(path));
        snprintf(line, sizeof(line), "module %llx %lx %s\n", (unsigned long long)(uintptr_t)modules[i],
                 (unsigned long)info.SizeOfImage, path);
        say(line);
    }
}

int main(int argc, char** argv) {
    const int count = argc > 1 ? atoi(argv[1]) : 4;
    if (count < 0 || count > MAX_THREADS)
        return 2;
    for (int i = 0; argc > 2 && i < KIND_COUNT; ++i) {
        if (!strcmp(argv[2], kinds[i].name))
            only = i;
    }
    list_modules();
    AddVectoredExceptionHandler(1, pass_over);
    CreateThread(NULL, 0, sleep_for_ever, NULL, 0, NULL);
    for (int i = 0; i < count; ++i) {
        events[i] = CreateEventA(NULL, FALSE, FALSE, NULL);
        CreateThread(NULL, 0, work, (void*)(intptr_t)i, 0, NULL);
    }
    while (started < count + 1)
        Sleep(1);
    char line[128];
    snprintf(line, sizeof(line), "ready %d\n", count);
    say(line);

    LONG seen[MAX_THREADS] = {0};
    DWORD moved[MAX_THREADS];
    for (int i = 0; i < MAX_THREADS; ++i)
        moved[i] = GetTickCount();
    for (unsigned long beat = 0;; ++beat) {
        int stuck = 0;
        const DWORD now = GetTickCount();
        for (int i = 0; i < count; ++i) {
            if (counters[i] != seen[i])
                moved[i] = now;
            seen[i] = counters[i];
            stuck += now - moved[i] > 2000;
        }
        snprintf(line, sizeof(line), "alive %lu errors %ld stuck %d\n", beat, (long)errors, stuck);
        say(line);
        Sleep(50);
    }
}
