#pragma once

#include "samples/heartbeat/protocol.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The client's side of the heartbeat protocol (protocol.md).
namespace suture::samples {

using Bytes = std::vector<std::uint8_t>;

inline constexpr unsigned kPayload = kHeartbeatPayload;
inline constexpr unsigned kToken = kHeartbeatToken;

enum class Type : std::uint8_t { heartbeat = heartbeat_request, status = heartbeat_status, echo = heartbeat_echo };
enum class Status : std::uint8_t {
    ok = heartbeat_ok,
    bad_length = heartbeat_bad_length,
    unknown_type = heartbeat_unknown_type
};

struct Request {
    Type type;
    unsigned claimed;
    Bytes payload;
};

struct Reply {
    Type type;
    Status status;
    std::uint32_t session;
    std::uint32_t sequence;
    Bytes payload;
};

Bytes as_bytes(std::string_view text);

// A request as sent. Throws std::invalid_argument where the payload is longer than kPayload.
Bytes encode(const Request& request);

// Takes the first whole reply off the front of the received bytes. Nothing where it is not complete yet.
// Throws std::runtime_error where the bytes are no reply.
std::optional<Reply> take_reply(Bytes& received);

// The secret that the service keeps beside a session's payload.
Bytes token_of(std::uint32_t session);

// "ok 4 bytes: bird", "ok 96 bytes: bird....secret-token=...", "error bad-length".
std::string describe(const Reply& reply);

// A TCP connection to 127.0.0.1. Throws std::runtime_error with the OS's reason.
int connect_to(unsigned port);

// One connection that asks and waits. A reply that does not come in 10 seconds is an error.
class Connection {
  public:
    explicit Connection(unsigned port) : socket_(connect_to(port)) {}
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // Sends the request and returns the reply. Throws std::runtime_error where the connection is lost.
    Reply ask(const Request& request);

  private:
    int socket_;
    Bytes received_;
};

} // namespace suture::samples
