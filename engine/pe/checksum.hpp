#pragma once

#include "engine/pe/image.hpp"

namespace suture::pe {

/// What belongs in the CheckSum field of a PE file: the 16-bit ones' complement sum of all its words, the field itself
/// taken as zero, plus the size of the file (as CheckSumMappedFile of imagehlp computes it). `checksum_field` is the
/// offset of the 4-byte field.
std::uint32_t checksum_of(ByteView file, FileOffset checksum_field);

/// True if the image's CheckSum field is right for its bytes; false where it is 0, which most linkers leave. File
/// layout only: of a mapped image nothing can be said, and the answer is false.
bool checksum_holds(const Image& image);

} // namespace suture::pe
