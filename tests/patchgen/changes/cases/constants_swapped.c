// expect: package price tax
#include "../case.h"

EXPORT double price(int count) {
#if UPDATED
    return count * 1.25;
#else
    return count * 2.5;
#endif
}
EXPORT double tax(int count) {
#if UPDATED
    return count * 2.5;
#else
    return count * 1.25;
#endif
}
EXPORT double other(int count) {
    return count * 4.75;
}
