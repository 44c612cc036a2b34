#include "loader/cli/entry.hpp"

int main(int argc, char** argv) {
    return suture::cli::enter(argc, argv);
}
