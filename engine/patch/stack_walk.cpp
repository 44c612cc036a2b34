#include "engine/patch/stack_walk.hpp"

#include "engine/patch/unwind_arm64.hpp"
#include "engine/patch/unwind_x64.hpp"

#include <fmt/format.h>

namespace suture::patch {

std::unique_ptr<Unwinder> make_unwinder(Machine machine, const target::ThreadState& thread) {
    switch (machine) {
    case Machine::x64:
        return make_unwinder_x64(thread);
    case Machine::arm64:
        return make_unwinder_arm64(thread);
    }
    return nullptr;
}

bool may_follow_call(Machine machine, CodeMap& map, Va at) {
    switch (machine) {
    case Machine::x64:
        return follows_call_x64(map, at).value_or(true);
    case Machine::arm64:
        return follows_call_arm64(map, at).value_or(true);
    }
    return true;
}

Walk walk_stack(Machine machine, CodeMap& map, const target::ThreadState& thread, const StackView& stack) {
    Walk walk;
    walk.frames.push_back({thread.ip, thread.sp, Arrival::executing});
    walk.scanned_from = stack.begin;
    const auto unwinder = make_unwinder(machine, thread);
    const auto ended = [&](std::string why) {
        walk.stopped_because = std::move(why);
        walk.loose = unwinder ? unwinder->loose() : std::vector<Va>();
    };
    if (!unwinder) {
        ended(fmt::format("no unwinder for {}", name_of(machine)));
        return walk;
    }
    for (;;) {
        const Frame here = walk.frames.back();
        const auto arrival = unwinder->step(map, stack, here.arrival);
        if (!arrival) {
            ended(fmt::format("{}: {}", map.describe(here.ip), arrival.error()));
            return walk;
        }
        if (*arrival == Arrival::bottom) {
            walk.complete = true;
            walk.scanned_from = stack.end();
            return walk;
        }
        // What lies below the new frame is accounted for.
        walk.scanned_from = unwinder->sp();
        walk.frames.push_back({unwinder->ip(), unwinder->sp(), *arrival});
        if (walk.frames.size() >= kMaxFrames) {
            ended(fmt::format("more than {} frames", kMaxFrames));
            return walk;
        }
    }
}

} // namespace suture::patch
