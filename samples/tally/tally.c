// A program that computes in several threads and says every 100 ms what each of its functions answers. The update
// leaves this file alone; what it changes is in answers.c, and a line of output shows each change.
#include "samples/support/program.h"
#include "samples/tally/answers.h"

enum {
    kMaxThreads = 64,
    kDefaultThreads = 4,
    kInterval = 100, // ms between lines
    kTurns = 64,     // of a worker, and then 1 ms of rest: there must be moments with all threads outside what changes
};

static volatile LONG64 iterations;
static volatile LONG64 wrong;

static __attribute__((noinline)) int negate(int value) {
    return -value;
}

static const Operation operations[] = {negate, scale, clamp};

static __attribute__((noinline)) int call_operation(uint32_t index, int value) {
    return operations[index % (sizeof operations / sizeof *operations)](value);
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

static const char* const option_names[] = {"--out", "--seconds", "--stop-file", "--threads"};

void program_entry(void) {
    char path[MAX_PATH];
    char stop[MAX_PATH] = {0};
    char buffer[512];
    Operation first_pointer = *(Operation const volatile*)&operations[1];
    require_options(option_names, sizeof option_names / sizeof *option_names);
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
