// expect: refused data-initial-value-changed
#include "../case.h"

__declspec(selectany) int limits[2] = {10,
#if UPDATED
                                       30
#else
                                       20
#endif
};

EXPORT int within(int value) {
    return value > limits[0] && value < ++limits[1];
}
