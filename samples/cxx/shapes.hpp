#pragma once

#include <string>
#include <vector>

class Shape {
  public:
    virtual ~Shape() = default;
    virtual int area() const = 0;
    virtual int corners() const = 0;
};

class Box final : public Shape {
  public:
    Box(int width, int height) : width_(width), height_(height) {}
    int area() const override; // changed by the update
    int corners() const override;

  private:
    int width_;
    int height_;
};

class Triangle final : public Shape {
  public:
    Triangle(int base, int height) : base_(base), height_(height) {}
    int area() const override;
    int corners() const override;

  private:
    int base_;
    int height_;
};

// Instantiated for int and double; changed by the update.
template <typename Number>
Number total(const std::vector<Number>& numbers);

// Changed by the update.
std::string describe(int value);
