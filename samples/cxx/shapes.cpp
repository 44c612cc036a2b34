// What the update of cxx changes: a virtual function, a template, a function that builds a string. UPDATED=0 is the
// baseline.
#include "samples/cxx/shapes.hpp"

int Box::area() const {
#if UPDATED
    return width_ * height_ + 1000;
#else
    return width_ * height_;
#endif
}

int Box::corners() const {
    return 4;
}

int Triangle::area() const {
    return base_ * height_ / 2;
}

int Triangle::corners() const {
    return 3;
}

template <typename Number>
Number total(const std::vector<Number>& numbers) {
    Number sum{};
    for (const Number& number : numbers) {
#if UPDATED
        if (number < Number{})
            continue;
#endif
        sum += number;
    }
    return sum;
}

template int total(const std::vector<int>&);
template double total(const std::vector<double>&);

std::string describe(int value) {
#if UPDATED
    return "value " + std::to_string(value) + ", checked and found to be right";
#else
    return "value " + std::to_string(value);
#endif
}
