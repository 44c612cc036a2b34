#include "engine/package/reader.hpp"
#include "loader/host/process.hpp"

#include <cstdio>

int main() {
    const suture::Bytes nothing;
    const auto package = suture::package::Package::parse(nothing);
    const auto process = suture::loader::open_process(1);
    std::puts(package || process ? "unexpected" : package.error().message().c_str());
    return package || process ? 1 : 0;
}
