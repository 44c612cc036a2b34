#include "samples/heartbeat/load.hpp"

#include "samples/heartbeat/protocol.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <random>

namespace suture::samples {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{10};          // without a reply: the connection counts as lost
constexpr unsigned kOverlong = kPayload + kToken;      // as far as the client can tell what must come back
constexpr std::chrono::milliseconds kFileInterval{20}; // between looks at until_file

struct Client {
    int socket = -1;
    Bytes received;
    Request request{};
    Bytes buffer = Bytes(kPayload); // the session's payload buffer in the service, as it must be
    std::uint32_t session = 0;
    std::uint32_t sequence = 0;
    Clock::time_point sent;
};

struct Counts {
    std::uint64_t requests = 0;
    std::uint64_t old_replies = 0;
    std::uint64_t new_replies = 0;
    std::uint64_t wrong = 0;
    std::uint64_t lost = 0;
    std::vector<double> latencies; // us
    std::string first_wrong;
};

class Load {
  public:
    Load(unsigned port, const LoadOptions& options) : options_(options), random_(1) {
        clients_.resize(options.connections);
        for (Client& client : clients_)
            client.socket = connect_to(port);
    }

    ~Load() {
        for (const Client& client : clients_)
            if (client.socket >= 0)
                ::close(client.socket);
    }

    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;

    Counts run() {
        const Clock::time_point end =
            Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options_.seconds));
        for (Client& client : clients_)
            send_next(client);
        while (in_flight() != 0) {
            if (!stopping_)
                stopping_ = options_.until_file.empty() ? Clock::now() >= end : file_exists();
            turn();
        }
        return std::move(counts_);
    }

  private:
    std::size_t in_flight() const {
        return static_cast<std::size_t>(
            std::ranges::count_if(clients_, [](const Client& client) { return client.socket >= 0; }));
    }

    bool file_exists() {
        if (Clock::now() < next_look_)
            return false;
        next_look_ = Clock::now() + kFileInterval;
        return std::filesystem::exists(options_.until_file);
    }

    void lose(Client& client) {
        ++counts_.lost;
        close_client(client);
    }

    static void close_client(Client& client) {
        ::close(client.socket);
        client.socket = -1;
    }

    Bytes random_payload() {
        Bytes payload(random_() % (kPayload + 1));
        for (std::uint8_t& byte : payload)
            byte = static_cast<std::uint8_t>(random_());
        return payload;
    }

    Request next_request() {
        const auto choice = random_() % (options_.mode == LoadMode::valid ? 2 : 4);
        Bytes payload = random_payload();
        if (choice == 0)
            return {Type::echo, 0, std::move(payload)};
        if (choice == 1) {
            const auto claimed = static_cast<unsigned>(random_() % (payload.size() + 1));
            return {Type::heartbeat, claimed, std::move(payload)};
        }
        return {Type::heartbeat, kOverlong, std::move(payload)};
    }

    void send_next(Client& client) {
        client.request = next_request();
        const Bytes bytes = encode(client.request);
        client.sent = Clock::now();
        // At most 70 bytes with nothing else in flight: the socket's buffer always has room.
        if (::send(client.socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size()))
            lose(client);
    }

    void turn() {
        std::vector<pollfd> waits;
        std::vector<Client*> waiting;
        for (Client& client : clients_) {
            if (client.socket < 0)
                continue;
            waits.push_back({client.socket, POLLIN, 0});
            waiting.push_back(&client);
        }
        ::poll(waits.data(), waits.size(), 100);
        for (std::size_t i = 0; i < waits.size(); ++i) {
            if (waits[i].revents != 0)
                receive(*waiting[i]);
            else if (Clock::now() - waiting[i]->sent > kPatience)
                lose(*waiting[i]);
        }
    }

    void receive(Client& client) {
        std::uint8_t buffer[kHeartbeatReplySize];
        const ssize_t count = ::recv(client.socket, buffer, sizeof buffer, 0);
        if (count <= 0)
            return lose(client);
        client.received.insert(client.received.end(), buffer, buffer + count);
        std::optional<Reply> reply;
        try {
            reply = take_reply(client.received);
        } catch (const std::runtime_error& error) {
            note_wrong(client, error.what());
            return lose(client);
        }
        if (!reply)
            return;
        counts_.latencies.push_back(std::chrono::duration<double, std::micro>(Clock::now() - client.sent).count());
        ++counts_.requests;
        check(client, *reply);
        if (stopping_)
            close_client(client);
        else
            send_next(client);
    }

    void note_wrong(const Client& client, const std::string& what) {
        ++counts_.wrong;
        if (counts_.first_wrong.empty())
            counts_.first_wrong = fmt::format("session {}: {}", client.session, what);
    }

    void check(Client& client, const Reply& reply) {
        if (client.session == 0)
            client.session = reply.session;
        if (reply.session != client.session || reply.sequence != ++client.sequence ||
            reply.type != client.request.type || !client.received.empty())
            return note_wrong(client, fmt::format("sequence {} of session {}", reply.sequence, reply.session));
        if (!right_payload(client, reply))
            note_wrong(client, describe(reply));
    }

    bool right_payload(Client& client, const Reply& reply) {
        const Request& request = client.request;
        if (request.type == Type::echo)
            return reply.status == Status::ok && reply.payload == request.payload;
        const bool overlong = request.claimed > request.payload.size();
        if (overlong && reply.status == Status::bad_length) {
            ++counts_.new_replies;
            return reply.payload.empty() && options_.mode != LoadMode::leak;
        }
        // The service has stored the payload over whatever earlier requests left behind it.
        std::ranges::copy(request.payload, client.buffer.begin());
        Bytes expected = client.buffer;
        std::ranges::copy(token_of(client.session), std::back_inserter(expected));
        expected.resize(request.claimed);
        if (overlong)
            ++counts_.old_replies;
        return reply.status == Status::ok && reply.payload == expected &&
               !(overlong && options_.mode == LoadMode::error);
    }

    LoadOptions options_;
    std::mt19937 random_; // the same requests in each run
    std::vector<Client> clients_;
    Counts counts_;
    bool stopping_ = false;
    Clock::time_point next_look_{};
};

double percentile(const std::vector<double>& sorted, double share) {
    if (sorted.empty())
        return 0;
    return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(share * static_cast<double>(sorted.size())))];
}

} // namespace

const std::map<std::string, LoadMode>& load_modes() {
    static const std::map<std::string, LoadMode> modes{
        {"any", LoadMode::any}, {"leak", LoadMode::leak}, {"error", LoadMode::error}, {"valid", LoadMode::valid}};
    return modes;
}

int run_load(unsigned port, const LoadOptions& options) {
    Counts counts = Load(port, options).run();
    std::ranges::sort(counts.latencies);
    fmt::print("{{\"connections\": {}, \"requests\": {}, \"old_replies\": {}, \"new_replies\": {}, \"wrong\": {}, "
               "\"lost\": {}, \"p50_us\": {:.1f}, \"p99_us\": {:.1f}, \"p999_us\": {:.1f}, \"max_us\": {:.1f}}}\n",
               options.connections, counts.requests, counts.old_replies, counts.new_replies, counts.wrong, counts.lost,
               percentile(counts.latencies, 0.5), percentile(counts.latencies, 0.99),
               percentile(counts.latencies, 0.999), percentile(counts.latencies, 1));
    if (!counts.first_wrong.empty())
        fmt::print(stderr, "heartbeat-client: first wrong reply: {}\n", counts.first_wrong);
    return counts.wrong == 0 && counts.lost == 0 ? 0 : 3;
}

} // namespace suture::samples
