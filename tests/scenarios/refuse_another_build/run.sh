#!/bin/sh
# A package for one build is refused for another build of the same source.
# codes: identity-header-differs
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
start_service "$SUTURE_SAMPLES/heartbeat/$SUTURE_VARIANT/another/heartbeat.exe"
refuses identity-header-differs "$package" --pid "$pid" --allow-unsigned
expect_leak
