// expect: refused vtable-changed
#include "../case.h"

struct Shape {
    virtual int area() { return width; }
    virtual int edges() { return 4; }
    int width;
};
struct Round final : Shape {
#if UPDATED
    int edges() override { return width + 7; }
#endif
    Round() { width = 9; }
};

EXPORT void make(void *place) {
    new (place) Round;
}
EXPORT void make_plain(void *place) {
    new (place) Shape;
}
EXPORT int measure(Shape *shape) {
    return shape->area() + shape->edges();
}
