#!/usr/bin/env python3
"""Speed, memory and size of `patchgen create` beside its peers, in one run.

    bench/create_bench.py [--no-peers] BASELINE UPDATED [BASELINE UPDATED ...]

For each pair: functions per second; the ratio to decoding both images once with Zydis on one core (x64), and to
bsdiff; peak memory as a multiple of the pair's size; bytes of the package, plain and by zstd -19, beside the full image
by zstd -19, bsdiff and xdelta3. Builds must be there (cmake --build --preset default).
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

BIN = pathlib.Path(__file__).resolve().parent.parent / "build" / "bin"
MB = 1e6


def run(*command):
    """Wall seconds, peak memory in bytes, exit status, and seconds of processor time of a command."""
    begin = time.monotonic()
    child = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return time.monotonic() - begin, usage.ru_maxrss * 1024, child.returncode, usage.ru_utime + usage.ru_stime


def best(times, *command):
    """The quickest of some runs: the machine may be busy with other things."""
    return min((run(*command) for _ in range(times)), key=lambda result: result[0])


def compressed(path):
    return len(subprocess.run(["zstd", "-19", "-q", "-c", str(path)], check=True, capture_output=True).stdout)


def measure(baseline, updated, folder, peers):
    size = baseline.stat().st_size + updated.stat().st_size
    package, report = folder / "package", folder / "report.json"
    create = [BIN / "patchgen", "create", baseline, updated, "-o", package, "--quiet", "--json", report]
    seconds, memory, status, processor = best(3, *create)
    if status not in (0, 3, 4):
        sys.exit(f"{updated}: patchgen ends with {status}")
    told = json.loads(report.read_text())
    functions = told["functions"]["baseline"] + told["functions"]["updated"]
    print(f"{updated.name}: {size / MB:.2f} MB the pair, {told['machine']}, {told['result']}")
    print(f"  create     {seconds:9.3f} s   {functions:8} functions, {functions / seconds:,.0f} a second; "
          f"{processor:.3f} s of processor time; {memory / size:.2f}x the pair in memory")
    if told["machine"] == "x64":
        limit = subprocess.run([BIN / "decode_limit", baseline, updated], check=True, capture_output=True, text=True)
        decoding, code, _ = limit.stdout.split()
        print(f"  decoding   {float(decoding):9.3f} s   {int(code) / MB / float(decoding):.0f} MB/s on one core: "
              f"create takes {seconds / float(decoding):.1f}x of it, and {processor / float(decoding):.1f}x in "
              "processor time")
    if not peers:
        return
    for name, command in (("bsdiff", ["bsdiff", baseline, updated, folder / "bsdiff"]),
                          ("xdelta3", ["xdelta3", "-e", "-9", "-f", "-s", baseline, updated, folder / "xdelta3"])):
        took, peak, *_ = run(*command)
        print(f"  {name:10} {took:9.3f} s   {took / seconds:.1f}x of create, {peak / size:.2f}x the pair in memory")
    sizes = {"bsdiff": (folder / "bsdiff").stat().st_size, "xdelta3": (folder / "xdelta3").stat().st_size,
             "full image, zstd": compressed(updated)}
    if told["result"] == "package":
        sizes = {"package": package.stat().st_size, "package, zstd": compressed(package)} | sizes
    print("  bytes      " + "; ".join(f"{name} {count:,}" for name, count in sizes.items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-peers", action="store_true", help="leave out bsdiff, xdelta3 and sizes")
    parser.add_argument("images", nargs="+", type=pathlib.Path, metavar="BASELINE UPDATED")
    options = parser.parse_args()
    if len(options.images) % 2:
        parser.error("images come in pairs")
    with tempfile.TemporaryDirectory() as folder:
        for baseline, updated in zip(options.images[::2], options.images[1::2]):
            measure(baseline, updated, pathlib.Path(folder), not options.no_peers)


if __name__ == "__main__":
    main()
