// A program that computes in several threads and says every 100 ms what each of its functions answers.
// UPDATED=0 and UPDATED=1 differ in one thing of every kind that an update may contain; a line of output shows each.
#include "support/program.h"

enum {
    kMaxThreads = 64,
    kDefaultThreads = 4,
    kInterval = 100, // ms between lines
    kTurns = 64,     // of a worker, and then 1 ms of rest: there must be moments with all threads outside what changes
};

// ---- What the update changes --------------------------------------------------------------------------------------

static volatile LONG64 calls; // an existing global that both versions of price() write
static volatile LONG64 iterations;
static volatile LONG64 wrong;

static __attribute__((noinline)) int clamp(int value) {
    return value > 1000 ? 1000 : value;
}

#if UPDATED
// A function that the baseline does not have.
static __attribute__((noinline)) int discount(int amount) {
    return amount - amount / 4;
}
#endif

// Existing global, unchanged callee, new callee.
static __attribute__((noinline)) int price(int amount) {
    InterlockedIncrement64(&calls);
#if UPDATED
    return clamp(discount(amount * 3));
#else
    return clamp(amount * 3);
#endif
}

#if UPDATED
static const int weights[16] = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53};
#else
static const int weights[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
#endif

// The same code over a changed constant table.
static __attribute__((noinline)) int weigh(uint32_t seed) {
    return weights[seed & 15] + weights[(seed >> 4) & 15];
}

// A changed string.
static __attribute__((noinline)) const char* greeting(void) {
#if UPDATED
    return "tally-with-the-update";
#else
    return "tally";
#endif
}

#if UPDATED
static volatile LONG first_audit = 1000; // a new global in .data
static volatile LONG audit_count;        // a new global in .bss
#endif

// New writable globals: the answer is 0 before, and counts up from 1001 after.
static __attribute__((noinline)) LONG audit(void) {
#if UPDATED
    return first_audit + InterlockedIncrement(&audit_count);
#else
    return 0;
#endif
}

// An import that the baseline does not have.
static __attribute__((noinline)) int ticking(void) {
#if UPDATED
    return GetTickCount64() != 0;
#else
    return 0;
#endif
}

static volatile int scratch[8];

// A jump table. The cases do different work, or compilers would make it a table of values.
static __attribute__((noinline)) int classify(uint32_t kind, int value) {
    switch (kind) {
    case 0:
        return value + scratch[0];
    case 1:
        scratch[1] = value;
        return value * 7;
    case 2:
        return clamp(value) - 5;
    case 3:
        return scratch[3] - value;
    case 4:
        scratch[4] = value * 3;
        return 40;
    case 5:
        return value / 3 + scratch[5];
    case 6:
        return clamp(value * value);
#if UPDATED
    case 7:
        scratch[7] = 1;
        return value ^ 0x55;
    case 8:
        return value * 100 + 8;
#else
    case 7:
        return value ^ 0x2a;
#endif
    default:
        return -1;
    }
}

// A floating-point constant.
static __attribute__((noinline)) double interest(double capital) {
#if UPDATED
    return capital * 1.0725;
#else
    return capital * 1.05;
#endif
}

// A recursive function.
static __attribute__((noinline)) uint32_t paths(uint32_t steps) {
    if (steps < 3)
        return steps;
#if UPDATED
    return paths(steps - 1) + paths(steps - 2) + paths(steps - 3);
#else
    return paths(steps - 1) + paths(steps - 2);
#endif
}

// A changed function that is called through a pointer ...
static __attribute__((noinline)) int scale(int value) {
#if UPDATED
    return value * 20 + 1;
#else
    return value * 10;
#endif
}

typedef int (*Operation)(int);

// ... and a changed function that compares that pointer: both must see the same address for scale().
static __attribute__((noinline)) int is_scale(Operation operation) {
#if UPDATED
    return operation == scale ? 2 : 0;
#else
    return operation == scale ? 1 : 0;
#endif
}

// ---- What the update leaves alone ---------------------------------------------------------------------------------

static __attribute__((noinline)) int negate(int value) {
    return -value;
}

static const Operation operations[] = {negate, scale, clamp};

static __attribute__((noinline)) int call_operation(uint32_t index, int value) {
    return operations[index % (sizeof operations / sizeof *operations)](value);
}

static __attribute__((noinline)) LONG64 read_calls(void) {
    return calls;
}

// Everything that a caller sees of the changed functions, at one moment.
typedef struct Answers {
    int price, weight, import, classes[10], scaled, identity;
    LONG audit;
    int64_t interest; // in ten-thousandths
    uint32_t paths;
    const char* greeting;
} Answers;

static __attribute__((noinline)) void ask(Answers* answers) {
    answers->price = price(100);
    answers->weight = weigh(0x37);
    answers->greeting = greeting();
    answers->audit = audit();
    answers->import = ticking();
    for (uint32_t kind = 0; kind < 10; ++kind)
        answers->classes[kind] = classify(kind, 12);
    answers->interest = (int64_t)(interest(1000.0) * 10000.0 + 0.5);
    answers->paths = paths(10);
    answers->scaled = call_operation(1, 7);
    answers->identity = is_scale(operations[1]);
}

static __attribute__((noinline)) BOOL either(int64_t answer, int64_t baseline, int64_t updated) {
    return answer == baseline || answer == updated;
}

// Each answer is the baseline's or the update's, never a third.
static BOOL plausible(const Answers* answers) {
    return either(answers->price, 300, 225) && either(answers->weight, 12, 26) &&
           either(answers->greeting[5], 0, '-') && (answers->audit == 0 || answers->audit > 1000) &&
           either(answers->import, 0, 1) && answers->classes[6] == 144 && either(answers->classes[7], 38, 89) &&
           either(answers->classes[8], -1, 1208) && answers->classes[9] == -1 &&
           either(answers->interest, 10500000, 10725000) && either(answers->paths, 89, 230) &&
           either(answers->scaled, 70, 141) && either(answers->identity, 1, 2) && call_operation(0, 5) == -5 &&
           call_operation(2, 2000) == 1000;
}

static DWORD WINAPI run_worker(void* parameter) {
    (void)parameter;
    for (;;) {
        Answers answers;
        ask(&answers);
        if (!plausible(&answers))
            InterlockedIncrement64(&wrong);
        if (InterlockedIncrement64(&iterations) % kTurns == 0)
            Sleep(1);
    }
    return 0;
}

static void describe(Text* line, uint32_t number, Operation first_pointer) {
    static LONG64 last_calls;
    Answers answers;
    ask(&answers);
    if (!plausible(&answers))
        InterlockedIncrement64(&wrong);
    LONG64 now = read_calls();
    text_append(line, "line=");
    text_append_number(line, number);
    text_append_field(line, "helper", (uint64_t)answers.price);
    text_append_field(line, "table", (uint64_t)answers.weight);
    text_append_string_field(line, "text", answers.greeting);
    text_append_string_field(line, "global", answers.audit ? "new" : "none");
    text_append_field(line, "audits", (uint64_t)answers.audit);
    text_append_field(line, "import", (uint64_t)answers.import);
    text_append_field(line, "switch", (uint64_t)answers.classes[7]);
    text_append_string_field(line, "case8", answers.classes[8] == -1 ? "none" : "new");
    text_append_field(line, "double", (uint64_t)answers.interest);
    text_append_field(line, "recursion", answers.paths);
    text_append_field(line, "pointer", (uint64_t)answers.scaled);
    text_append_field(line, "identity", (uint64_t)answers.identity);
    text_append_string_field(line, "same_pointer",
                             *(Operation const volatile*)&operations[1] == first_pointer ? "yes" : "no");
    text_append_string_field(line, "calls_grow", now > last_calls ? "yes" : "no");
    text_append_field(line, "iterations", (uint64_t)iterations);
    text_append_field(line, "wrong", (uint64_t)wrong);
    text_append(line, "\n");
    last_calls = now;
}

static BOOL exists(const char* path) {
    return GetFileAttributesA(path) != INVALID_FILE_ATTRIBUTES;
}

void program_entry(void) {
    char path[MAX_PATH];
    char stop[MAX_PATH] = {0};
    char buffer[512];
    Operation first_pointer = *(Operation const volatile*)&operations[1];
    HANDLE out = GetStdHandle(STD_OUTPUT_HANDLE);
    uint32_t threads = option_number("--threads", kDefaultThreads);
    uint32_t lines = option_number("--seconds", 0) * (1000 / kInterval); // 0: no end
    option_text("--stop-file", stop, sizeof stop);
    if (threads < 1 || threads > kMaxThreads)
        fail("--threads: 1 to 64");
    if (option_text("--out", path, sizeof path))
        out = CreateFileA(path, FILE_APPEND_DATA, FILE_SHARE_READ, NULL, CREATE_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
    if (out == INVALID_HANDLE_VALUE)
        fail("--out");
    for (uint32_t i = 0; i < threads; ++i)
        CloseHandle(CreateThread(NULL, 0, run_worker, NULL, 0, NULL));
    for (uint32_t number = 1;; ++number) {
        Text line = {buffer, 0, sizeof buffer};
        describe(&line, number, first_pointer);
        if (!write_text(out, &line))
            fail("output");
        if ((lines && number >= lines) || (stop[0] && exists(stop)))
            ExitProcess(wrong ? 1 : 0);
        Sleep(kInterval);
    }
}
