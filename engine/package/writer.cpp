#include "engine/package/writer.hpp"

#include "engine/package/assemble.hpp"
#include "engine/package/reader.hpp"

namespace suture::package {

Result<Bytes> write_package(const Contents& contents) {
    SUTURE_TRY(Bytes file, assemble(contents));
    auto read_back = Package::parse(file);
    if (!read_back)
        return fail(Error(Code::package_malformed, "the contents make no valid package").caused_by(read_back.error()));
    if (read_back->manifest() != contents.manifest)
        return fail(Code::package_malformed, "the package does not read back as it was written");
    return file;
}

} // namespace suture::package
