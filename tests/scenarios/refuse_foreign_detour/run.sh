#!/bin/sh
# A function that somebody else has detoured is refused, and the other module is named.
# codes: foreign-detour
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
start_service
target-tool detour "$pid" heartbeat.dll "$package" ws2_32.dll
refuses foreign-detour "$package" --pid "$pid" --allow-unsigned
says WS2_32.dll+0x
