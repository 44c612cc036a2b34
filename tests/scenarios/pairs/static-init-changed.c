// Lists of initialisers between the names that C runtimes give their ends.
#include "pair.h"

typedef void initialiser(void);
#pragma section(".CRT$XCA", read)
#pragma section(".CRT$XCU", read)
#pragma section(".CRT$XCZ", read)
__declspec(allocate(".CRT$XCA")) initialiser* __xc_a = 0;
__declspec(allocate(".CRT$XCZ")) initialiser* __xc_z = 0;

int state;

static void start(void) {
    state = 4 + UPDATED;
}
__declspec(allocate(".CRT$XCU")) initialiser* start_pointer = start;

EXPORT void run(void) {
    for (initialiser** one = &__xc_a + 1; one != &__xc_z; ++one)
        (*one)();
}
