// expect: refused type-layout-changed vtable-changed
#include "../case.h"

struct Shape {
    virtual int area() { return width; }
#if UPDATED
    virtual int edges() { return 4; }
#endif
    int width;
};

EXPORT void make(void *place) {
    new (place) Shape;
}
EXPORT int measure(Shape *shape) {
#if UPDATED
    return shape->area() + shape->edges();
#else
    return shape->area();
#endif
}
