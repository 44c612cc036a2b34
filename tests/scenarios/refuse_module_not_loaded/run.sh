#!/bin/sh
# A package for a module that the process has not loaded is refused.
# codes: module-not-loaded
. "$(dirname "$0")/../scenario.sh"

make_package tally tally.exe
start_service
refuses module-not-loaded "$package" --pid "$pid" --allow-unsigned
says tally.exe
