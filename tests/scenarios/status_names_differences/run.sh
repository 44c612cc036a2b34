#!/bin/sh
# status finds and names what somebody changed behind its back.
. "$(dirname "$0")/../scenario.sh"

start_service
make_package heartbeat heartbeat.dll
expect 0 suture apply "$package" --pid "$pid" --allow-unsigned
expect 0 suture status --pid "$pid" --json -
says '"intact": true'
rva=$(target-tool first-site "$pid" heartbeat.dll)
target-tool poke "$pid" heartbeat.dll "$rva" 9090
suture status --pid "$pid" --json - >out 2>&1 || :
says '"intact": false'
says "heartbeat.dll+$rva"
