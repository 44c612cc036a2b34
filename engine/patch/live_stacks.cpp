#include "engine/patch/live_stacks.hpp"

namespace suture::patch {

namespace {

/// Bytes that are read together: hundreds of threads that wait for something, or one deep stack.
constexpr std::uint64_t kTogether = kMaxLiveStack;
constexpr std::uint64_t kWord = 8;

/// From the stack pointer to the end, or nothing.
std::optional<VaRange> part_in_use(const target::ThreadState& thread) {
    const Va begin{thread.sp.value & ~(kWord - 1)};
    // At the very end nothing is in use yet.
    if (!thread.stack.contains(begin) && begin != thread.stack.end())
        return std::nullopt;
    const std::uint64_t size = thread.stack.end() - begin;
    return size <= kMaxLiveStack ? std::optional(VaRange{begin, size}) : std::nullopt;
}

} // namespace

Result<std::span<const std::optional<StackView>>> LiveStacks::read(std::span<const target::ThreadState> threads) {
    std::vector<std::optional<VaRange>> parts;
    std::uint64_t total = 0;
    for (const target::ThreadState& thread : threads) {
        const auto part = part_in_use(thread);
        if (!parts.empty() && part && part->size > kTogether - total)
            break;
        total += part ? part->size : 0;
        parts.push_back(part);
    }
    if (buffer_.size() < total)
        buffer_.resize(total);
    views_.assign(parts.size(), std::nullopt);
    std::vector<target::Reading> readings;
    std::vector<std::size_t> of; // the thread of each
    for (std::size_t i = 0, at = 0; i < parts.size(); ++i)
        if (parts[i]) {
            readings.push_back({parts[i]->begin, std::span(buffer_).subspan(at, parts[i]->size)});
            of.push_back(i);
            at += parts[i]->size;
        }
    const auto all = target_.read(readings);
    if (!all && all.error().code() != Code::target_read_failed)
        return std::unexpected(all.error());
    for (std::size_t i = 0; i < readings.size(); ++i) {
        if (!all) { // one of them keeps the others from being read
            const auto one = target_.read(readings[i].at, readings[i].into);
            if (!one && one.error().code() == Code::target_read_failed)
                continue;
            SUTURE_CHECK(one);
        }
        views_[of[i]] = StackView{readings[i].at, ByteView(readings[i].into.data(), readings[i].into.size())};
    }
    return views_;
}

} // namespace suture::patch
