// expect: refused type-layout-changed
#include "../case.h"

struct parser {
    void *text;
    char state;
#if UPDATED
    char depth;
#endif
    int line;
};

EXPORT int parser_step(struct parser *parser) {
#if UPDATED
    if (++parser->depth > 100)
        return -1;
#endif
    return parser->state + parser->line;
}
