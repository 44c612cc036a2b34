// Calls out of the DLL: another order, other arguments, a function that was not imported before.
#include "prelude.h"

static KEEP u64 retry(u64 question, u32 times) {
    u64 answer = 0;
    for (u32 i = 0; i < times; ++i) {
        answer = host_ask(question + i);
#if UPDATED
        if ((answer & 3) == 0)
            break;
#else
        if ((answer & 1) == 0)
            break;
#endif
    }
    return answer;
}

RUN(run_retry) {
    return retry(a, 1 + (b & 7)) + buffer[2];
}

RUN(run_order) {
#if UPDATED
    const u64 answer = host_ask(b);
    host_text(answer & 1 ? "odd" : "even");
    host_note(answer, a);
#else
    host_note(a, b);
    const u64 answer = host_ask(b);
#endif
    return answer + buffer[0];
}

RUN(run_many) {
    u64 sum = 0;
    for (u32 i = 0; i < 5; ++i)
        sum += host_note(buffer[i], sum) & 0xff;
    return sum + a + b;
}

RUN(run_tail) {
#if UPDATED
    buffer[9] = 1;
    return host_note(b, a);
#else
    return host_ask(a + b);
#endif
}
