#include "patchgen/program/parallel.hpp"

#ifdef __linux__
#include <sched.h>
#endif

namespace suture::program {

unsigned usable_processors() {
#ifdef __linux__
    // std::thread::hardware_concurrency() counts those that the process may not run on, too.
    cpu_set_t set;
    CPU_ZERO(&set);
    if (::sched_getaffinity(0, sizeof set, &set) == 0)
        return static_cast<unsigned>(CPU_COUNT(&set));
#endif
    return std::thread::hardware_concurrency();
}

} // namespace suture::program
