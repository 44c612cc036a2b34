#!/bin/sh
# Code that must not or cannot be redirected.
# codes: entry-point-changed exception-handler folded-function match-ambiguous middle-of-replaced not-decoded site-none static-init-changed
. "$(dirname "$0")/../scenario.sh"

refuse_pairs
