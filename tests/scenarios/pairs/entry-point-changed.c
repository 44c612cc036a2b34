// flags 0: -Wl,-noentry
// flags 1: -Wl,-entry:entry
#include "pair.h"
