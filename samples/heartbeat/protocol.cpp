#include "samples/heartbeat/protocol.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace suture::samples {
namespace {

void append_u16(Bytes& bytes, unsigned value) {
    bytes.push_back(static_cast<std::uint8_t>(value));
    bytes.push_back(static_cast<std::uint8_t>(value >> 8));
}

std::uint32_t read_number(const Bytes& bytes, std::size_t at, std::size_t size) {
    std::uint32_t value = 0;
    for (std::size_t i = size; i-- > 0;)
        value = value << 8 | bytes[at + i];
    return value;
}

std::runtime_error os_error(std::string_view what) {
    return std::runtime_error(fmt::format("{}: {}", what, std::strerror(errno)));
}

} // namespace

Bytes as_bytes(std::string_view text) {
    return {text.begin(), text.end()};
}

Bytes encode(const Request& request) {
    if (request.payload.size() > kPayload)
        throw std::invalid_argument(fmt::format("a payload has at most {} bytes", kPayload));
    Bytes bytes;
    append_u16(bytes, kHeartbeatRequestHeader + static_cast<unsigned>(request.payload.size()));
    append_u16(bytes, static_cast<unsigned>(request.type));
    append_u16(bytes, request.claimed);
    bytes.insert(bytes.end(), request.payload.begin(), request.payload.end());
    return bytes;
}

std::optional<Reply> take_reply(Bytes& received) {
    if (received.size() < 2)
        return std::nullopt;
    const std::uint32_t size = read_number(received, 0, 2);
    if (size < kHeartbeatReplyHeader || size > kHeartbeatReplySize)
        throw std::runtime_error(fmt::format("a reply of {} bytes", size));
    if (received.size() < size)
        return std::nullopt;
    if (!(received[2] & 0x80))
        throw std::runtime_error(fmt::format("a reply of type {:#x}", received[2]));
    const auto end = received.begin() + static_cast<std::ptrdiff_t>(size);
    Reply reply{static_cast<Type>(received[2] & 0x7f), static_cast<Status>(received[3]), read_number(received, 4, 4),
                read_number(received, 8, 4), Bytes(received.begin() + kHeartbeatReplyHeader, end)};
    received.erase(received.begin(), end);
    return reply;
}

Bytes token_of(std::uint32_t session) {
    std::uint64_t value = session * 0x9e3779b97f4a7c15U;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9U;
    value = (value ^ value >> 27) * 0x94d049bb133111ebU;
    value ^= value >> 31;
    Bytes token = as_bytes(fmt::format("secret-token={:016x};", value));
    token.resize(kToken);
    return token;
}

std::string describe(const Reply& reply) {
    switch (reply.status) {
    case Status::ok:
        break;
    case Status::bad_length:
        return "error bad-length";
    case Status::unknown_type:
        return "error unknown-type";
    }
    std::string text = fmt::format("ok {} bytes: ", reply.payload.size());
    for (const std::uint8_t byte : reply.payload)
        text += byte >= 0x20 && byte < 0x7f ? static_cast<char>(byte) : '.';
    return text;
}

int connect_to(unsigned port) {
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        throw os_error("socket");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        const std::runtime_error error = os_error(fmt::format("connect to 127.0.0.1:{}", port));
        ::close(descriptor);
        throw error;
    }
    const int on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return descriptor;
}

Connection::~Connection() {
    ::close(socket_);
}

Reply Connection::ask(const Request& request) {
    const Bytes bytes = encode(request);
    if (::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size()))
        throw os_error("send");
    const timeval limit{10, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    for (;;) {
        if (auto reply = take_reply(received_))
            return *reply;
        std::uint8_t buffer[kHeartbeatReplySize];
        const ssize_t count = ::recv(socket_, buffer, sizeof buffer, 0);
        if (count == 0)
            throw std::runtime_error("the service closed the connection");
        if (count < 0)
            throw os_error("receive");
        received_.insert(received_.end(), buffer, buffer + count);
    }
}

} // namespace suture::samples
