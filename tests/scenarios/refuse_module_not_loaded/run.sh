#!/bin/sh
# A package for a module that the process has not loaded is refused.
. "$(dirname "$0")/../scenario.sh"

make_package tally tally.exe
start_service
refuses 4 module-not-loaded "$package" --pid "$pid" --allow-unsigned
says tally.exe
