#pragma once

#include "patchgen/match/places.hpp"

#include <vector>

namespace suture::diff {

/// Which data of a program can be accessed only by the very instructions that name it, since no address from which one
/// could get there by counting is ever taken. Where that is so in both of two images, how such variables lie to each
/// other means nothing: whoever renames all of their uses alike has changed nothing.
class Reach {
  public:
    explicit Reach(const match::Places& places);

    /// True if something before the object in its section may reach into it, by an address that is taken or by an
    /// access that goes on over it. Negative distances from what lies behind are not thought of.
    bool from_before(std::uint32_t object) const { return from_before_[object]; }

  private:
    std::vector<bool> from_before_;
};

} // namespace suture::diff
