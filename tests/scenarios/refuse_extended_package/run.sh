#!/bin/sh
# A package with bytes behind its end is refused.
# codes: package-damaged
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
start_service
for extra in 'x' 'xxxxxxxx' "$(head -c 600 /dev/zero | tr '\0' 'x')"; do
  { cat "$package"; printf %s "$extra"; } >damaged.dll
  refuses package-damaged damaged.dll --pid "$pid" --allow-unsigned
done
