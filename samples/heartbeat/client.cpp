// heartbeat-client: talks to the heartbeat service from Linux. `load` is a test: it checks every byte of every reply.
#include "samples/heartbeat/load.hpp"
#include "samples/heartbeat/protocol.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>

namespace {

using namespace suture::samples;

// A reply in words: one line, or for leaked bytes a dump of sixteen to a line.
std::string in_words(const Reply& reply) {
    return fmt::format("session={} sequence={} {}", reply.session, reply.sequence, describe(reply));
}

std::string dump(const Bytes& bytes) {
    std::string text;
    for (std::size_t row = 0; row < bytes.size(); row += 16) {
        std::string hex;
        std::string characters;
        for (std::size_t i = row; i < std::min(row + 16, bytes.size()); ++i) {
            hex += fmt::format("{:02x} ", bytes[i]);
            characters += bytes[i] >= 0x20 && bytes[i] < 0x7f ? static_cast<char>(bytes[i]) : '.';
        }
        text += fmt::format("  {:04x}  {:<48} {}\n", row, hex, characters);
    }
    return text;
}

// Asks with a claim that is longer than the payload. Exit code 0: bytes leaked, 3: the service refused.
int leak(Connection& connection, unsigned claimed) {
    const Reply reply = connection.ask({Type::heartbeat, claimed, as_bytes("bird")});
    fmt::print("{}\n{}", in_words(reply), dump(reply.payload));
    return reply.status == Status::ok ? 0 : 3;
}

// What `leak` in a session claims: the number behind it, else up to the end of the session's own token.
unsigned claim_from(const std::string& word) {
    unsigned claimed = kPayload + kToken;
    std::from_chars(word.data(), word.data() + word.size(), claimed);
    return claimed;
}

// One connection, one command a line, one reply line each, until the input ends.
int session(Connection& connection) {
    std::string line;
    while (std::getline(std::cin, line)) {
        const std::string command = line.substr(0, line.find(' '));
        const std::string rest = command.size() < line.size() ? line.substr(command.size() + 1) : "";
        if (command == "quit")
            break;
        if (command == "status")
            fmt::print("{}\n", in_words(connection.ask({Type::status, 0, {}})));
        else if (command == "echo")
            fmt::print("{}\n", in_words(connection.ask({Type::echo, 0, as_bytes(rest)})));
        else if (command == "beat")
            fmt::print("{}\n",
                       in_words(connection.ask({Type::heartbeat, static_cast<unsigned>(rest.size()), as_bytes(rest)})));
        else if (command == "leak")
            fmt::print("{}\n", in_words(connection.ask({Type::heartbeat, claim_from(rest), as_bytes("bird")})));
        else
            fmt::print("unknown command: {} (status, echo TEXT, beat TEXT, leak [CLAIM], quit)\n", command);
        std::fflush(stdout);
    }
    return 0;
}

unsigned read_port(const std::string& path) {
    std::ifstream file(path);
    unsigned port = 0;
    if (!(file >> port))
        throw std::runtime_error("no port in " + path);
    return port;
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app{"Talks to the heartbeat service"};
    unsigned port = 0;
    std::string port_file;
    app.require_subcommand(1);
    auto* which = app.add_option_group("which service");
    which->add_option("--port", port, "TCP port on 127.0.0.1");
    which->add_option("--port-file", port_file, "file that the service wrote its port to");
    which->require_option(1);

    auto* status_command = app.add_subcommand("status", "print what the service says of itself");
    auto* leak_command = app.add_subcommand("leak", "claim more bytes than are sent, and dump the reply");
    unsigned claimed = 256;
    leak_command->add_option("--claim", claimed, "bytes claimed")->check(CLI::Range(5U, 65535U));
    auto* session_command = app.add_subcommand("session", "commands from standard input, over one connection");
    auto* load_command = app.add_subcommand("load", "many connections, every reply checked; prints one line of JSON");
    LoadOptions options;
    load_command->add_option("--connections", options.connections, "connections kept open")
        ->check(CLI::Range(1U, 500U));
    auto* seconds = load_command->add_option("--seconds", options.seconds, "how long")->check(CLI::PositiveNumber);
    load_command->add_option("--until-file", options.until_file, "go on until this file exists")->excludes(seconds);
    load_command->add_option("--mode", options.mode, "what to ask, and which answer is right for an over-long claim")
        ->transform(CLI::CheckedTransformer(load_modes(), CLI::ignore_case));

    CLI11_PARSE(app, argc, argv);
    try {
        if (!port_file.empty())
            port = read_port(port_file);
        if (*load_command)
            return run_load(port, options);
        Connection connection(port);
        if (*status_command)
            fmt::print("{}\n", in_words(connection.ask({Type::status, 0, {}})));
        else if (*leak_command)
            return leak(connection, claimed);
        else if (*session_command)
            return session(connection);
        return 0;
    } catch (const std::exception& error) {
        fmt::print(stderr, "heartbeat-client: {}\n", error.what());
        return 1;
    }
}
