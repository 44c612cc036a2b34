// symbol_truth BASELINE UPDATED: a line "<pairs> <found> <wrong> <unseen>", and with -v their names.
#include "tests/patchgen/match/symbol_truth.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <string_view>

int main(int count, char** arguments) {
    const bool verbose = count == 4 && std::string_view(arguments[1]) == "-v";
    if (count != (verbose ? 4 : 3)) {
        fmt::print(stderr, "usage: symbol_truth [-v] BASELINE UPDATED\n");
        return 2;
    }
    const auto truth = suture::test::symbol_truth_of(arguments[count - 2], arguments[count - 1]);
    if (!truth) {
        fmt::print(stderr, "{}\n", truth.error().message());
        return 1;
    }
    fmt::print("{} {} {} {}\n", truth->pairs, truth->found, truth->wrong.size(), truth->unseen.size());
    if (verbose) {
        for (const auto& name : truth->unseen)
            fmt::print("unseen {}\n", name);
        for (const auto& name : truth->missing)
            fmt::print("missing {}\n", name);
        for (const auto& names : truth->wrong)
            fmt::print("wrong {}\n", names);
    }
    return 0;
}
