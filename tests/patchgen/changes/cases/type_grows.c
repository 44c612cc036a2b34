// expect: refused type-layout-changed
#include "../case.h"

struct parser {
    int state;
    char *text;
#if UPDATED
    unsigned depth;
#endif
};

EXPORT struct parser *parser_new(char *text) {
    struct parser *parser = allocate(sizeof *parser);
    parser->state = 1;
    parser->text = text;
#if UPDATED
    parser->depth = 0;
#endif
    return parser;
}
EXPORT int parser_step(struct parser *parser) {
#if UPDATED
    if (++parser->depth > 100)
        return -1;
#endif
    return parser->state + *parser->text;
}
