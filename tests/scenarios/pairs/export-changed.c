// flags 0: -Wl,-export:something=other.before
// flags 1: -Wl,-export:something=other.after
// An export that is forwarded elsewhere.
#include "pair.h"
