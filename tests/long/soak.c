/* 64 threads that call functions which a hotpatch changes (-DUPDATED=1), while other threads start and end, and are
 * suspended and resumed. `outer` and what it calls must always be of one version: whoever sees two of them, or a wrong
 * result, counts an error. Prints a line ten times a second: "calls N old N new N errors N suspends N starts N". */
#include <stdio.h>
#include <stdlib.h>
#include <windows.h>

#define WORKERS 64

static volatile LONGLONG calls, old_results, new_results, errors, suspends, starts;
static HANDLE workers[WORKERS];

__attribute__((noinline)) unsigned inner(unsigned x) {
    volatile unsigned noise[64];
    noise[x % 64] = x;
    return noise[x % 64] * 2 + UPDATED;
}

__attribute__((noinline)) unsigned middle(unsigned x, unsigned *version) {
    unsigned result = inner(x) + x;
    *version = UPDATED;
    return inner(result);
}

__attribute__((noinline)) unsigned outer(unsigned x, unsigned *first, unsigned *second) {
    *first = UPDATED;
    unsigned result = middle(x, second) ^ UPDATED;
    if (x % 65536 == 0)
        Sleep(1);
    return result + middle(x + 1, second);
}

static unsigned expected(unsigned x, unsigned updated) {
    unsigned a = ((x * 2 + updated) + x) * 2 + updated;
    unsigned b = (((x + 1) * 2 + updated) + x + 1) * 2 + updated;
    return (a ^ updated) + b;
}

static void check(unsigned x) {
    unsigned first = 2, second = 3;
    unsigned result = outer(x, &first, &second);
    if (first != second || first > 1 || result != expected(x, first))
        InterlockedIncrement64(&errors);
    InterlockedIncrement64(first ? &new_results : &old_results);
    InterlockedIncrement64(&calls);
}

static DWORD WINAPI work(void *argument) {
    for (unsigned x = (unsigned)(size_t)argument * 1000003u;; ++x) {
        check(x);
        /* Most of the time threads are elsewhere, so that a moment comes in which none is in what changes. */
        for (volatile unsigned i = 0; i < 20000; ++i) {
        }
        if (x % 4 == 0)
            Sleep(1);
    }
    return 0;
}

static DWORD WINAPI once(void *argument) {
    check((unsigned)(size_t)argument);
    return 0;
}

static DWORD WINAPI start_threads(void *argument) {
    (void)argument;
    for (unsigned x = 1;; ++x) {
        HANDLE thread = CreateThread(NULL, 0, once, (void *)(size_t)x, 0, NULL);
        if (!thread)
            continue;
        WaitForSingleObject(thread, INFINITE);
        CloseHandle(thread);
        InterlockedIncrement64(&starts);
    }
    return 0;
}

static DWORD WINAPI suspend_threads(void *argument) {
    (void)argument;
    for (unsigned x = 0;; ++x) {
        HANDLE thread = workers[x * 7 % WORKERS];
        if (SuspendThread(thread) == (DWORD)-1) {
            Sleep(1);
            continue;
        }
        CONTEXT context;
        context.ContextFlags = CONTEXT_FULL;
        GetThreadContext(thread, &context); /* may fail while a tracer is attached */
        while (ResumeThread(thread) == (DWORD)-1)
            Sleep(1);
        InterlockedIncrement64(&suspends);
        Sleep(2);
    }
    return 0;
}

int main(void) {
    for (size_t i = 0; i < WORKERS; ++i)
        workers[i] = CreateThread(NULL, 0, work, (void *)i, 0, NULL);
    CreateThread(NULL, 0, start_threads, NULL, 0, NULL);
    CreateThread(NULL, 0, suspend_threads, NULL, 0, NULL);
    for (;;) {
        printf("calls %lld old %lld new %lld errors %lld suspends %lld starts %lld\n", calls, old_results, new_results,
               errors, suspends, starts);
        fflush(stdout);
        Sleep(100);
    }
}
