// expect: package parser_step
#include "../case.h"

struct parser {
    void *text;
#if UPDATED
    int position;
#else
    int place;
#endif
};

EXPORT int parser_step(struct parser *parser) {
#if UPDATED
    return parser->position + 2;
#else
    return parser->place + 1;
#endif
}
