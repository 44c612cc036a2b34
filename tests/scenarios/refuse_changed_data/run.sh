#!/bin/sh
# Data and settings that a process already has, and data that cannot be taken into a package.
# codes: loader-settings-changed data-boundary-ambiguous data-extent-unknown data-initial-value-changed data-relative data-resized data-unmapped tls-changed type-layout-changed vtable-changed
. "$(dirname "$0")/../scenario.sh"

refuse_pairs
