#!/bin/sh
# Files that are no package, or none that can be relied upon, to suture and to patchgen.
# codes: package-damaged package-malformed package-not-a-hotpatch package-version-unsupported
. "$(dirname "$0")/../scenario.sh"

corpus=$scenarios/../fuzz/corpus/package_reader
of_both() { # CODE FILE: by both programs
  refused "$1" suture verify "$2" --allow-unsigned
  refused "$1" patchgen inspect "$2"
}
make_package heartbeat heartbeat.dll
expect 0 suture verify "$package" --allow-unsigned
target-tool flip "$package" $(($(wc -c <"$package") - 9)) damaged.dll
of_both package-damaged damaged.dll
target-tool reseal "$package" 2 malformed.dll # a header that no package has
of_both package-malformed malformed.dll
of_both package-not-a-hotpatch "$(image heartbeat baseline heartbeat.dll)"
of_both package-version-unsupported "$corpus/version_2"
