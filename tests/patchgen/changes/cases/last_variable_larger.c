// expect: refused data-resized
// targets: mingw
// flags: -nostdlib -Wl,-e,entry
// Its size is told by nothing but the end of its section.
#include "../case.h"

#if UPDATED
volatile char last[1040];
#else
volatile char last[1024];
#endif

EXPORT int reads(int index) {
    return last[index & 1023];
}
