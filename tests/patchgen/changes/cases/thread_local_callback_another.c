// expect: refused tls-changed
// targets: x64 arm64
#include "../case.h"

unsigned _tls_index;
volatile int state;
#pragma section(".tls", read, write)
#pragma section(".tls$ZZZ", read, write)
__declspec(allocate(".tls")) char _tls_start = 0;
__declspec(allocate(".tls$ZZZ")) char _tls_end = 0;
NOINLINE void attach(void *module, unsigned reason, void *reserved) {
    state = reason * 3;
}
NOINLINE void detach(void *module, unsigned reason, void *reserved) {
    state = reason / 3;
}
typedef void callback(void *module, unsigned reason, void *reserved);
callback *const callbacks[2] = {UPDATED ? detach : attach, 0};
const struct {
    void *start, *end, *index;
    callback *const *callbacks;
    unsigned zero_fill, characteristics;
} _tls_used = {&_tls_start, &_tls_end, &_tls_index, callbacks, 0, 0};

EXPORT void both(void) {
    attach(0, 1, 0);
    detach(0, 2, 0);
}
