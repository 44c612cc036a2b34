// C++ under a hotpatch: virtual functions, templates, std::string, and exceptions that cross none of the replaced
// functions. The update leaves this file alone; what it changes is in shapes.cpp.
#include "samples/cxx/shapes.hpp"

#include <windows.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr DWORD kInterval = 100; // ms between lines
// Of a worker, and then 1 ms of rest: there must be moments with all threads outside what changes.
constexpr int kTurns = 16;

std::atomic<std::uint64_t> caught;
std::atomic<std::uint64_t> iterations;
std::atomic<std::uint64_t> wrong;

__attribute__((noinline)) int parse(const std::string& text) {
    int value = 0;
    for (char digit : text) {
        if (digit < '0' || digit > '9')
            throw std::invalid_argument("not a digit: " + std::string(1, digit));
        value = value * 10 + (digit - '0');
    }
    return value;
}

// Throws through its own frames and catches, each time it is called.
__attribute__((noinline)) bool throws_and_catches() {
    try {
        return parse("12x4") == 0;
    } catch (const std::invalid_argument& error) {
        ++caught;
        return std::string(error.what()) == "not a digit: x";
    }
}

struct Answers {
    int box = 0;
    int triangle = 0;
    int corners = 0;
    int whole = 0;
    double real = 0;
    std::string text;
};

__attribute__((noinline)) Answers ask(const std::vector<std::unique_ptr<Shape>>& shapes) {
    Answers answers;
    answers.box = shapes[0]->area();
    answers.triangle = shapes[1]->area();
    for (const auto& shape : shapes)
        answers.corners += shape->corners();
    answers.whole = total(std::vector<int>{1, -2, 3});
    answers.real = total(std::vector<double>{0.5, 1.5});
    answers.text = describe(answers.corners);
    return answers;
}

bool plausible(const Answers& answers) {
    return (answers.box == 12 || answers.box == 1012) && answers.triangle == 6 && answers.corners == 7 &&
           (answers.whole == 2 || answers.whole == 4) && answers.real == 2.0 &&
           (answers.text == "value 7" || answers.text == "value 7, checked and found to be right");
}

std::vector<std::unique_ptr<Shape>> make_shapes() {
    std::vector<std::unique_ptr<Shape>> shapes;
    shapes.push_back(std::make_unique<Box>(3, 4));
    shapes.push_back(std::make_unique<Triangle>(3, 4));
    return shapes;
}

// What a worker and the main thread do in each turn.
Answers take_turn(const std::vector<std::unique_ptr<Shape>>& shapes) {
    const Answers answers = ask(shapes);
    if (!plausible(answers) || !throws_and_catches())
        ++wrong;
    return answers;
}

DWORD WINAPI run_worker(void*) {
    const auto shapes = make_shapes();
    for (;;) {
        take_turn(shapes);
        if (++iterations % kTurns == 0)
            Sleep(1);
    }
}

bool exists(const std::string& path) {
    return GetFileAttributesA(path.c_str()) != INVALID_FILE_ATTRIBUTES;
}

std::string option(const std::vector<std::string>& words, const std::string& name, const std::string& otherwise) {
    for (std::size_t i = 0; i + 1 < words.size(); ++i)
        if (words[i] == name)
            return words[i + 1];
    return otherwise;
}

} // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    const std::string path = option(words, "--out", "");
    const std::string stop = option(words, "--stop-file", "");
    const int threads = parse(option(words, "--threads", "4"));
    const int lines = parse(option(words, "--seconds", "0")) * static_cast<int>(1000 / kInterval); // 0: no end
    std::FILE* out = path.empty() ? stdout : std::fopen(path.c_str(), "wb");
    if (!out)
        return 1;
    for (int i = 0; i < threads; ++i)
        CloseHandle(CreateThread(nullptr, 0, run_worker, nullptr, 0, nullptr));
    const auto shapes = make_shapes();
    for (int number = 1;; ++number) {
        const Answers answers = take_turn(shapes);
        std::fprintf(out,
                     "line=%d virtual=%d other_virtual=%d corners=%d template=%d other_template=%d caught=%llu "
                     "iterations=%llu wrong=%llu text=%s\n",
                     number, answers.box, answers.triangle, answers.corners, answers.whole,
                     static_cast<int>(answers.real * 10), static_cast<unsigned long long>(caught.load()),
                     static_cast<unsigned long long>(iterations.load()), static_cast<unsigned long long>(wrong.load()),
                     answers.text.c_str());
        std::fflush(out);
        if ((lines && number >= lines) || (!stop.empty() && exists(stop)))
            ExitProcess(wrong ? 1 : 0);
        Sleep(kInterval);
    }
}
