// expect: no-change
#include "../case.h"

struct parser {
    int state;
#if UPDATED
    int limit;
#endif
};

EXPORT int state_of(struct parser *parser) {
    return parser->state;
}
