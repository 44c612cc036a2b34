#!/bin/sh
# A process of another user is refused to an ordinary user.
# codes: target-inaccessible
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
start_service
[ "$(id -u)" = 0 ] || fail "this scenario needs root, to be two users"
chmod 755 . ; chmod 644 "$package"
before=$(digest)
refused target-inaccessible setpriv --reuid 65534 --regid 65534 --clear-groups "$SUTURE_BIN/suture" apply "$package" --pid "$pid" --allow-unsigned
[ "$(digest)" = "$before" ] || fail "the target was changed"
