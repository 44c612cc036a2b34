// A process whose threads tell the return addresses on their own stacks.
//
//   frames.exe
//
// One thread of each kind below calls its way down, has RtlCaptureStackBackTrace write its return addresses to its
// entry of `records`, and stays there: asleep, or (entries 1 and 9) spinning. Writes "records ADDRESS COUNT
// ENTRY_SIZE", and "ready" when all are there.
#define _WIN32_WINNT 0x0600
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#define DEPTH 62
#define NOINLINE __attribute__((noinline))

// Read by a test: keep in step with it.
static struct {
    uint32_t thread;
    uint32_t count;
    void* frames[DEPTH];
} records[16];
static volatile LONG parked;
static volatile uint64_t sink;
static volatile int finished;

static NOINLINE void park(int index) {
    records[index].thread = GetCurrentThreadId();
    records[index].count = RtlCaptureStackBackTrace(0, DEPTH, records[index].frames, NULL);
    InterlockedIncrement(&parked);
    while (index % 8 != 1 && !finished)
        Sleep(INFINITE);
    while (!finished)
        sink = sink + 1;
}

static NOINLINE void plain(int index) {
    park(index);
    sink = sink + 1;
}

// Many saved registers.
static NOINLINE uint64_t busy(int index, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f) {
    const uint64_t x = a * b, y = c * d, z = e * f, w = a + f, v = b + e;
    plain(index);
    return x + y + z + w + v + a + b + c + d;
}

static NOINLINE void deep(int index, int depth) {
    if (depth == 0)
        sink = busy(index, sink, 1, 2, 3, 4, 5);
    else
        deep(index, depth - 1);
    sink = sink + 1;
}

// A frame register.
static NOINLINE void with_alloca(int index) {
    volatile char* memory = _alloca((size_t)(1000 + index));
    memory[0] = 1;
    plain(index);
    sink = sink + (uint64_t)memory[0];
}

// A frame of more than a page.
static NOINLINE void with_big_frame(int index) {
    volatile char memory[0x12000];
    memory[100] = 1;
    with_alloca(index);
    sink = sink + (uint64_t)memory[100];
}

static int sorted_index;
static int compare(const void* a, const void* b) {
    (void)a, (void)b;
    plain(sorted_index);
    return 0;
}
static NOINLINE void through_library(int index) {
    int values[3] = {1, 2, 3};
    sorted_index = index;
    qsort(values, 3, sizeof(int), compare);
    sink = sink + (uint64_t)values[0];
}

static NOINLINE void vectors(int index) {
    double a = (double)sink, b = a * 3, c = b * 5, d = c * 7, e = d + a;
    plain(index);
    volatile double result = a + b * c + d * e;
    sink = sink + (uint64_t)result;
}

static volatile int* volatile nowhere = (volatile int*)8;
static volatile int exception_index = -1;
static LONG CALLBACK on_exception(EXCEPTION_POINTERS* exception) {
    (void)exception;
    plain(exception_index);
    return EXCEPTION_CONTINUE_EXECUTION;
}
static NOINLINE void in_exception(int index) {
    exception_index = index;
    *nowhere = 1;
    sink = sink + 1;
}

static void CALLBACK on_apc(ULONG_PTR index) {
    plain((int)index);
}
static NOINLINE void in_apc(int index) {
    QueueUserAPC(on_apc, GetCurrentThread(), (ULONG_PTR)index);
    SleepEx(INFINITE, TRUE);
    sink = sink + 1;
}

static NOINLINE void shallow(int index) {
    plain(index);
}
static NOINLINE void recursive(int index) {
    deep(index, 20);
}

static void (*const kinds[])(int index) = {shallow,        shallow,        recursive,  recursive,
                                           with_big_frame, with_big_frame, vectors,    through_library,
                                           in_apc,         in_exception,   with_alloca};
#define KIND_COUNT ((int)(sizeof(kinds) / sizeof(kinds[0])))

static DWORD WINAPI work(void* parameter) {
    const int index = (int)(intptr_t)parameter;
    kinds[index](index);
    return 0;
}

static void CALLBACK pool_work(PTP_CALLBACK_INSTANCE instance, void* parameter) {
    (void)instance;
    plain((int)(intptr_t)parameter);
}

static void say(const char* text) {
    DWORD written;
    WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), text, (DWORD)strlen(text), &written, NULL);
}

int main(void) {
    const int count = KIND_COUNT + 1;
    AddVectoredExceptionHandler(1, on_exception);
    for (int i = 0; i < KIND_COUNT; ++i)
        CreateThread(NULL, 0, work, (void*)(intptr_t)i, 0, NULL);
    TrySubmitThreadpoolCallback(pool_work, (void*)(intptr_t)KIND_COUNT, NULL);
    while (parked < count)
        Sleep(1);
    char line[128];
    snprintf(line, sizeof(line), "records %llx %d %d\n", (unsigned long long)(uintptr_t)records, count,
             (int)sizeof(records[0]));
    say(line);
    say("ready\n");
    Sleep(INFINITE);
    return 0;
}
