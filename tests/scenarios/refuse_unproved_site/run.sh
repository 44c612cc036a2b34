#!/bin/sh
# A package whose site would part an instruction.
# codes: site-unproved
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
start_service
target-tool craft wrong-site "$package" wrong-site.dll
refuses site-unproved wrong-site.dll --pid "$pid" --allow-unsigned
expect_leak
