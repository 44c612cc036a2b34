#pragma once

#include "engine/pe/image.hpp"

#include <map>
#include <string>

namespace suture::diff {

/// A resource's place in the tree: its type, its name and its language, each as "#number" or as text.
using ResourcePath = std::string;

struct Resource {
    Rva at;
    Bytes bytes;
};

/// The content of each resource but for versions and manifests, which describe a build and are read by the system
/// before any code runs (Microsoft PE Format, "The .rsrc Section"). What a tree claims wrongly is left out.
std::map<ResourcePath, Resource> resources_of(const pe::Image& image);

} // namespace suture::diff
