// The protocol logic of the heartbeat service. UPDATED=0 is the program with the hole, UPDATED=1 the fixed one.
#define HEARTBEAT_BUILDING_DLL
#include "samples/heartbeat/heartbeat.h"

#include "samples/support/text.h"

#include <windows.h>

typedef struct Session {
    uint32_t id; // 0: free
    uint32_t sequence;
    uint8_t payload[kHeartbeatPayload]; // of the last request; what an over-read runs out of
    char token[kHeartbeatToken];        // what no client may see
} Session;

// The tail keeps the longest over-read of the last session inside mapped memory.
static struct {
    Session sessions[kHeartbeatSessions];
    uint8_t tail[kHeartbeatReplyPayload];
} table;

static SRWLOCK table_lock = SRWLOCK_INIT;
static uint32_t last_session_id;
static volatile LONG open_sessions;
static volatile LONG64 request_count;
static ULONGLONG started;

typedef struct Request {
    uint32_t claimed;
    const uint8_t* payload;
    uint32_t payload_size;
} Request;

typedef struct Reply {
    uint8_t* bytes;
    uint32_t size;
} Reply;

static uint32_t read16(const uint8_t* at) {
    return at[0] | (uint32_t)at[1] << 8;
}

static void write16(uint8_t* at, uint32_t value) {
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static void write32(uint8_t* at, uint32_t value) {
    write16(at, value);
    write16(at + 2, value >> 16);
}

static __attribute__((noinline)) void append_bytes(Reply* reply, const uint8_t* data, uint32_t size) {
    if (size > kHeartbeatReplySize - reply->size)
        size = kHeartbeatReplySize - reply->size;
    for (uint32_t i = 0; i < size; ++i)
        reply->bytes[reply->size + i] = data[i];
    reply->size += size;
}

static __attribute__((noinline)) void begin_reply(Reply* reply, Session* session, uint32_t type, uint32_t status) {
    reply->bytes[2] = (uint8_t)(type | 0x80);
    reply->bytes[3] = (uint8_t)status;
    write32(reply->bytes + 4, session->id);
    write32(reply->bytes + 8, ++session->sequence);
    reply->size = kHeartbeatReplyHeader;
}

static __attribute__((noinline)) void refuse(Reply* reply, Session* session, uint32_t type, uint32_t status) {
    begin_reply(reply, session, type, status);
}

static __attribute__((noinline)) void store_payload(Session* session, const Request* request) {
    for (uint32_t i = 0; i < request->payload_size; ++i)
        session->payload[i] = request->payload[i];
}

static __attribute__((noinline)) void answer_heartbeat(Session* session, const Request* request, Reply* reply) {
#if UPDATED
    if (request->claimed > request->payload_size) {
        refuse(reply, session, heartbeat_request, heartbeat_bad_length);
        return;
    }
#endif
    store_payload(session, request);
    begin_reply(reply, session, heartbeat_request, heartbeat_ok);
    append_bytes(reply, session->payload, request->claimed);
}

static __attribute__((noinline)) void answer_echo(Session* session, const Request* request, Reply* reply) {
    begin_reply(reply, session, heartbeat_echo, heartbeat_ok);
    append_bytes(reply, request->payload, request->payload_size);
}

static __attribute__((noinline)) void answer_status(Session* session, const Request* request, Reply* reply) {
    char line[192];
    Text text = {line, 0, sizeof line};
    if (request->payload_size) {
        refuse(reply, session, heartbeat_status, heartbeat_bad_length);
        return;
    }
    begin_reply(reply, session, heartbeat_status, heartbeat_ok);
    text_append(&text, "pid=");
    text_append_number(&text, GetCurrentProcessId());
    text_append_field(&text, "uptime_ms", GetTickCount64() - started);
    text_append_field(&text, "sessions", last_session_id);
    text_append_field(&text, "open", (uint64_t)open_sessions);
    text_append_field(&text, "requests", (uint64_t)request_count);
    append_bytes(reply, (const uint8_t*)line, (uint32_t)text.size);
}

typedef void (*Handler)(Session*, const Request*, Reply*);

static const Handler handlers[] = {
    [heartbeat_request] = answer_heartbeat,
    [heartbeat_status] = answer_status,
    [heartbeat_echo] = answer_echo,
};

static __attribute__((noinline)) void dispatch(Session* session, uint32_t type, const Request* request, Reply* reply) {
    if (type < sizeof handlers / sizeof *handlers && handlers[type])
        handlers[type](session, request, reply);
    else
        refuse(reply, session, type & 0x7f, heartbeat_unknown_type);
}

uint32_t heartbeat_answer(int slot, const uint8_t* bytes, uint32_t size, uint8_t* out) {
    Request request = {read16(bytes + 4), bytes + kHeartbeatRequestHeader, size - kHeartbeatRequestHeader};
    Reply reply = {out, 0};
    InterlockedIncrement64(&request_count);
    dispatch(&table.sessions[slot], read16(bytes + 2), &request, &reply);
    write16(out, reply.size);
    return reply.size;
}

// "secret-token=<16 hexadecimal digits>;" and two zeros. Derived from the id (splitmix64), so that a client
// under test can tell a leaked token from any other bytes.
static __attribute__((noinline)) void make_token(Session* session) {
    Text text = {session->token, 0, kHeartbeatToken};
    uint64_t value = session->id * 0x9e3779b97f4a7c15u;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    value ^= value >> 31;
    text_append(&text, "secret-token=");
    for (int shift = 60; shift >= 0; shift -= 4)
        text.data[text.size++] = "0123456789abcdef"[value >> shift & 15];
    text_append(&text, ";");
}

static void clear_session(Session* session) {
    volatile uint8_t* byte = (volatile uint8_t*)session;
    for (uint32_t i = 0; i < sizeof *session; ++i)
        byte[i] = 0;
}

int heartbeat_open_session(void) {
    int found = -1;
    AcquireSRWLockExclusive(&table_lock);
    for (int slot = 0; slot < kHeartbeatSessions && found < 0; ++slot)
        if (!table.sessions[slot].id)
            found = slot;
    if (found >= 0) {
        Session* session = &table.sessions[found];
        clear_session(session);
        session->id = ++last_session_id;
        make_token(session);
        InterlockedIncrement(&open_sessions);
    }
    ReleaseSRWLockExclusive(&table_lock);
    return found;
}

void heartbeat_close_session(int slot) {
    AcquireSRWLockExclusive(&table_lock);
    clear_session(&table.sessions[slot]);
    InterlockedDecrement(&open_sessions);
    ReleaseSRWLockExclusive(&table_lock);
}

BOOL WINAPI library_entry(HINSTANCE library, DWORD reason, void* reserved) {
    (void)library;
    (void)reserved;
    if (reason == DLL_PROCESS_ATTACH)
        started = GetTickCount64();
    return TRUE;
}
