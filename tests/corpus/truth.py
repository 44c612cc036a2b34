"""Runs symbol-truth over pairs of images; see truth.sh."""
import collections
import pathlib
import subprocess
import sys

TOOL, FOLDERS = sys.argv[1], [pathlib.Path(name) for name in sys.argv[2:]]
TIMEOUT = 300  # seconds for one pair; a hang is a fault


def pairs():
    """Kind, label and the two images."""
    if len(FOLDERS) == 2:
        for image in sorted(FOLDERS[0].iterdir()):
            if image.is_file() and (FOLDERS[1] / image.name).is_file():
                yield "all", image.name, image, FOLDERS[1] / image.name
        return
    for baseline in sorted(FOLDERS[0].glob("*/baseline.*.dll")):
        target = baseline.suffixes[-2][1:]
        for version in ("fixed", "reordered"):
            other = baseline.with_name(f"{version}.{target}.dll")
            if other.exists():
                yield f"{target}, {version}", f"{baseline.parent.name}, {target}, {version}", baseline, other


def main():
    totals, faults = collections.defaultdict(lambda: [0] * 4), []
    print("pair: functions, found, false, unseen")
    for kind, label, before, after in pairs():
        done = subprocess.run([TOOL, "-v", before, after], capture_output=True, text=True, check=False,
                              timeout=TIMEOUT)
        if done.returncode != 0:
            # Not every file in a folder of DLLs is an image with symbols.
            print(f"{label}: {done.stderr.strip()}")
            continue
        first, *names = done.stdout.splitlines()
        counts = [int(part) for part in first.split()]
        totals[kind] = [a + b for a, b in zip(totals[kind], counts)]
        print(f"{label}: {', '.join(map(str, counts))}", flush=True)
        faults += [f"{label}: {name.removeprefix('wrong ')}" for name in names if name.startswith("wrong ")]
    print()
    for kind, (functions, found, false, unseen) in sorted(totals.items()):
        print(f"{kind}: {found} of {functions} found ({100 * found / max(functions, 1):.2f} %), {false} false, "
              f"{unseen} unseen")
    for fault in faults:
        print("FALSE:", fault)
    return 1 if faults or not totals else 0


if __name__ == "__main__":
    sys.exit(main())
