#include "pair.h"

#if UPDATED
EXPORT
#endif
int something(int value) {
    return value ^ 5;
}
