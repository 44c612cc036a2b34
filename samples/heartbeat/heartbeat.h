#pragma once

#include "samples/heartbeat/protocol.h"

// The interface of heartbeat.dll.

#ifdef HEARTBEAT_BUILDING_DLL
#define HEARTBEAT_API __declspec(dllexport)
#else
#define HEARTBEAT_API __declspec(dllimport)
#endif

// Opens a session. Returns its slot, 0 to kHeartbeatSessions - 1, or -1 where all are taken.
HEARTBEAT_API int heartbeat_open_session(void);

HEARTBEAT_API void heartbeat_close_session(int slot);

// Answers one request of a session; `size` is that of the whole request, between kHeartbeatRequestHeader and
// kHeartbeatRequestSize. Writes the reply and returns its size, at most kHeartbeatReplySize.
// One session's requests come one after another; different sessions may be served by different threads.
HEARTBEAT_API uint32_t heartbeat_answer(int slot, const uint8_t* request, uint32_t size, uint8_t* reply);
