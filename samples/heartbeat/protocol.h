#pragma once

#include <stdint.h>

// The protocol of the heartbeat service, as specified in protocol.md.

enum {
    kHeartbeatRequestHeader = 6, // bytes: size, type, claimed, 2 each, little-endian
    kHeartbeatReplyHeader = 12,  // bytes: size (2), type (1), status (1), session (4), sequence (4)
    kHeartbeatPayload = 64,      // most bytes of payload in a request
    kHeartbeatToken = 32,        // bytes of a session's token
    kHeartbeatReplyPayload = 1024,
    kHeartbeatRequestSize = kHeartbeatRequestHeader + kHeartbeatPayload,
    kHeartbeatReplySize = kHeartbeatReplyHeader + kHeartbeatReplyPayload,
    kHeartbeatSessions = 512,
};

enum HeartbeatType { heartbeat_request = 1, heartbeat_status = 2, heartbeat_echo = 3 };

enum HeartbeatResult { heartbeat_ok = 0, heartbeat_bad_length = 1, heartbeat_unknown_type = 2 };
