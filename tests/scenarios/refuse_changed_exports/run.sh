#!/bin/sh
# What others find by the name of an export.
# codes: export-added export-changed export-removed
. "$(dirname "$0")/../scenario.sh"

refuse_pairs
