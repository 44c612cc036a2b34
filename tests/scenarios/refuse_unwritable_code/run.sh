#!/bin/sh
# Changed code that a package cannot hold.
# codes: reference-out-of-reach reference-unresolved register-none unwind-unsupported
. "$(dirname "$0")/../scenario.sh"

refuse_pairs
