// heartbeat.exe: TCP on loopback around heartbeat.dll. The main thread accepts; each worker serves the connections
// handed to it in one select() loop.
#define FD_SETSIZE 576 // every session, and the wake-up socket; winsock2.h reads it
#include "samples/heartbeat/heartbeat.h"
#include "samples/support/program.h"

#include <winsock2.h>

enum { kMaxWorkers = 256, kDefaultWorkers = 8, kBacklog = 128 };

typedef struct Connection {
    struct Connection* next;
    SOCKET socket;
    uint32_t received; // bytes of an incomplete request
    uint32_t size;     // of the reply that is being sent; 0: none
    uint32_t sent;
    uint8_t request[kHeartbeatRequestSize];
    uint8_t reply[kHeartbeatReplySize];
} Connection;

typedef struct Worker {
    SOCKET wake; // a datagram here says: look into the inbox
    struct sockaddr_in wake_address;
    Connection* volatile inbox;
    Connection* connections;
    fd_set readable;
    fd_set writable;
} Worker;

static Connection connections[kHeartbeatSessions]; // by session slot
static Worker workers[kMaxWorkers];

static int slot_of(const Connection* connection) {
    return (int)(connection - connections);
}

static struct sockaddr_in loopback(uint32_t port) {
    struct sockaddr_in address = {0};
    address.sin_family = AF_INET;
    address.sin_port = htons((u_short)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static SOCKET bound_socket(int type, uint32_t port, struct sockaddr_in* address) {
    int size = sizeof *address;
    SOCKET socket_handle = socket(AF_INET, type, 0);
    *address = loopback(port);
    if (socket_handle == INVALID_SOCKET || bind(socket_handle, (struct sockaddr*)address, size) ||
        getsockname(socket_handle, (struct sockaddr*)address, &size))
        fail("socket");
    return socket_handle;
}

static void set_nonblocking(SOCKET socket_handle) {
    u_long on = 1;
    if (ioctlsocket(socket_handle, (long)FIONBIO, &on))
        fail("ioctlsocket");
}

// FALSE: the peer is gone.
static BOOL send_reply(Connection* connection) {
    while (connection->sent < connection->size) {
        int count = send(connection->socket, (const char*)connection->reply + connection->sent,
                         (int)(connection->size - connection->sent), 0);
        if (count <= 0)
            return WSAGetLastError() == WSAEWOULDBLOCK;
        connection->sent += (uint32_t)count;
    }
    connection->size = 0;
    return TRUE;
}

static BOOL receive_bytes(Connection* connection, uint32_t wanted, BOOL* complete) {
    *complete = FALSE;
    while (connection->received < wanted) {
        int count = recv(connection->socket, (char*)connection->request + connection->received,
                         (int)(wanted - connection->received), 0);
        if (count <= 0)
            return count < 0 && WSAGetLastError() == WSAEWOULDBLOCK;
        connection->received += (uint32_t)count;
    }
    *complete = TRUE;
    return TRUE;
}

// FALSE: the peer is gone, or sent a size that no request has.
static BOOL serve_request(Connection* connection) {
    BOOL complete = FALSE;
    if (!receive_bytes(connection, kHeartbeatRequestHeader, &complete))
        return FALSE;
    if (!complete)
        return TRUE;
    uint32_t size = connection->request[0] | (uint32_t)connection->request[1] << 8;
    if (size < kHeartbeatRequestHeader || size > kHeartbeatRequestSize)
        return FALSE;
    if (!receive_bytes(connection, size, &complete))
        return FALSE;
    if (!complete)
        return TRUE;
    connection->received = 0;
    connection->sent = 0;
    connection->size = heartbeat_answer(slot_of(connection), connection->request, size, connection->reply);
    return send_reply(connection);
}

static void close_connection(Connection* connection) {
    closesocket(connection->socket);
    heartbeat_close_session(slot_of(connection));
}

static void take_inbox(Worker* worker) {
    char byte;
    while (recv(worker->wake, &byte, 1, 0) > 0) {
    }
    Connection* connection = InterlockedExchangePointer((void* volatile*)&worker->inbox, NULL);
    while (connection) {
        Connection* next = connection->next;
        connection->next = worker->connections;
        worker->connections = connection;
        connection = next;
    }
}

static void wait_for_work(Worker* worker) {
    FD_ZERO(&worker->readable);
    FD_ZERO(&worker->writable);
    FD_SET(worker->wake, &worker->readable);
    for (Connection* connection = worker->connections; connection; connection = connection->next) {
        if (connection->size)
            FD_SET(connection->socket, &worker->writable);
        else
            FD_SET(connection->socket, &worker->readable);
    }
    if (select(0, &worker->readable, &worker->writable, NULL, NULL) == SOCKET_ERROR)
        fail("select");
}

static void serve_connections(Worker* worker) {
    Connection** link = &worker->connections;
    while (*link) {
        Connection* connection = *link;
        BOOL alive = TRUE;
        if (FD_ISSET(connection->socket, &worker->writable))
            alive = send_reply(connection);
        else if (FD_ISSET(connection->socket, &worker->readable))
            alive = serve_request(connection);
        if (alive) {
            link = &connection->next;
        } else {
            // Unlinked first: once the session is closed, the slot may be taken by a new connection.
            *link = connection->next;
            close_connection(connection);
        }
    }
}

static DWORD WINAPI run_worker(void* parameter) {
    Worker* worker = parameter;
    for (;;) {
        wait_for_work(worker);
        if (FD_ISSET(worker->wake, &worker->readable))
            take_inbox(worker);
        serve_connections(worker);
    }
    return 0;
}

static void start_worker(Worker* worker) {
    worker->wake = bound_socket(SOCK_DGRAM, 0, &worker->wake_address);
    set_nonblocking(worker->wake);
    HANDLE thread = CreateThread(NULL, 0, run_worker, worker, 0, NULL);
    if (!thread)
        fail("CreateThread");
    CloseHandle(thread);
}

static void hand_over(Worker* worker, Connection* connection) {
    Connection* first;
    do {
        first = worker->inbox;
        connection->next = first;
    } while (InterlockedCompareExchangePointer((void* volatile*)&worker->inbox, connection, first) != first);
    sendto(worker->wake, "", 1, 0, (struct sockaddr*)&worker->wake_address, sizeof worker->wake_address);
}

static void accept_connections(SOCKET listener, uint32_t worker_count) {
    for (uint32_t turn = 0;; turn = (turn + 1) % worker_count) {
        SOCKET socket_handle = accept(listener, NULL, NULL);
        if (socket_handle == INVALID_SOCKET)
            continue;
        int slot = heartbeat_open_session();
        if (slot < 0) {
            closesocket(socket_handle);
            continue;
        }
        int on = 1;
        setsockopt(socket_handle, IPPROTO_TCP, TCP_NODELAY, (const char*)&on, sizeof on);
        set_nonblocking(socket_handle);
        connections[slot].socket = socket_handle;
        connections[slot].received = 0;
        connections[slot].size = 0;
        hand_over(&workers[turn], &connections[slot]);
    }
}

static void announce(uint32_t port) {
    char buffer[64];
    char path[MAX_PATH];
    Text number = {buffer, 0, sizeof buffer};
    text_append_number(&number, port);
    text_append(&number, "\n");
    if (option_text("--port-file", path, sizeof path) && !replace_file(path, &number))
        fail("--port-file");
    Text line = {buffer, 0, sizeof buffer};
    text_append(&line, "listening on 127.0.0.1:");
    text_append_number(&line, port);
    text_append(&line, "\n");
    write_text(GetStdHandle(STD_OUTPUT_HANDLE), &line);
}

static const char* const option_names[] = {"--port", "--port-file", "--threads"};

void program_entry(void) {
    static WSADATA data;
    struct sockaddr_in address;
    require_options(option_names, sizeof option_names / sizeof *option_names);
    uint32_t worker_count = option_number("--threads", kDefaultWorkers);
    if (worker_count < 1 || worker_count > kMaxWorkers)
        fail("--threads: 1 to 256");
    if (WSAStartup(MAKEWORD(2, 2), &data))
        fail("WSAStartup");
    SOCKET listener = bound_socket(SOCK_STREAM, option_number("--port", 0), &address);
    if (listen(listener, kBacklog))
        fail("listen");
    for (uint32_t i = 0; i < worker_count; ++i)
        start_worker(&workers[i]);
    announce(ntohs(address.sin_port));
    accept_connections(listener, worker_count);
}
