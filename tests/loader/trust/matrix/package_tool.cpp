// Writes the package that is signed for the signature matrix: package_tool FILE.

#include "engine/package/writer.hpp"
#include "tests/engine/package/sample_contents.hpp"

#include <cstdio>
#include <fstream>

int main(int argc, char** argv) {
    const auto package = suture::package::write_package(suture::package::test::everything());
    if (argc != 2 || !package)
        return 1;
    std::ofstream file(argv[1], std::ios::binary);
    file.write(reinterpret_cast<const char*>(package->data()), static_cast<std::streamsize>(package->size()));
    file.close();
    return file ? 0 : 1;
}
