#pragma once

#include "patchgen/program/stretch.hpp"

namespace suture::program {

/// Decodes code whose end only its own branches tell (End::flow), those of its jump tables included: what a switch
/// leads to lies behind the jump. Never fails: see DecodedCode::undecoded.
DecodedCode decode_to_flow_end(const pe::Image& image, Stretch stretch);

} // namespace suture::program
