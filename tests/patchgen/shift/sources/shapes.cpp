// Virtual function tables, one per class, and code that dispatches through them.
struct Shape {
    virtual int area() const = 0;
    virtual const char* name() const = 0;
    int weight = 3;
};
struct Square final : Shape {
    explicit Square(int side) : side(side) {}
    int area() const override { return side * side; }
    const char* name() const override { return "square"; }
    int side;
};
struct Oblong final : Shape {
    Oblong(int width, int height) : width(width), height(height) {}
    int area() const override { return width * height; }
    const char* name() const override { return "oblong"; }
    int width, height;
};
struct Circle final : Shape {
    explicit Circle(int radius) : radius(radius) {}
    int area() const override { return radius * radius * 355 / 113; }
    const char* name() const override { return "circle"; }
    int radius;
};

extern "C" int sum_of(const Shape* const* shapes, int count) {
    int sum = 0;
    for (int i = 0; i < count; ++i)
        sum += shapes[i]->area() * shapes[i]->weight + shapes[i]->name()[0];
    return sum;
}

extern "C" int shapes(int seed) {
    const Square square(seed);
    const Oblong oblong(seed, seed + 1);
    const Circle circle(seed + 2);
    const Shape* all[] = {&square, &oblong, &circle};
    return sum_of(all, 3);
}

// A vtable's destructor slots are none here, but pure functions need something to lead to.
extern "C" void __cxa_pure_virtual() {}
extern "C" int _purecall() {
    return 0;
}
