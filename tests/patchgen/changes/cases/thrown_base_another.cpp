// expect: refused data-relative
// reports: raise
// targets: x64 arm64
// flags: -fexceptions -fcxx-exceptions -frtti -g0
#include "../case.h"
#include "microsoft_exceptions.h"

struct First {
    int value;
};
struct Second {
    int value;
};
#if UPDATED
struct Thrown : Second {
#else
struct Thrown : First {
#endif
    int more;
};
EXPORT void raise(int value) {
    Thrown thrown;
    thrown.value = thrown.more = value;
    throw thrown;
}
EXPORT void raise_parts(int value) {
    if (value > 4)
        throw First{value};
    throw Second{value};
}
