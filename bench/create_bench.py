#!/usr/bin/env python3
"""Speed, memory and size of `patchgen create` beside its peers, in one run.

    bench/create_bench.py [--no-peers] [--one-change] [--npm FOLDER] [BASELINE UPDATED ...]

For each pair: functions per second, with the targets of 100,000 a second and of 20 times as fast as bsdiff; the ratio to
decoding both images once with Zydis on one core (x64); peak memory as a multiple of the pair's size, and how much of it
an idle patchgen has; bytes of the package, plain and by zstd -19, beside the full image by zstd -19, bsdiff and xdelta3.

--npm adds pairs of about 1, 18 and 100 MB, which npm fetches into a folder once. Two releases in a row mostly differ in
too much for a package: --one-change compares the baseline with a copy of itself, too, in which one constant of one
function is another one, so that there is a package, and the time holds its proof. Builds must be there
(cmake --build --preset default --target benchmarks).
"""
import argparse
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tarfile
import tempfile
import time

BIN = pathlib.Path(__file__).resolve().parent.parent / "build" / "bin"
MB = 1e6
# Package of npm, two versions, the image in it.
PAIRS = [("node-pty", "1.1.0-beta42", "1.1.0-beta43", "prebuilds/win32-x64/conpty/OpenConsole.exe"),
         ("@img/sharp-win32-x64", "0.34.1", "0.34.2", "lib/libvips-42.dll"),
         ("@next/swc-win32-x64-msvc", "16.3.6", "16.3.7", "next-swc.win32-x64-msvc.node")]
# mov eax, constant, and the end of a function: add rsp, n; pop ...; ret.
CONSTANT = re.compile(rb"\xb8([\x01-\x7f]\0\0\0)\x48\x83\xc4.(?:[\x58-\x5f]|\x41[\x58-\x5f])*\xc3", re.DOTALL)
MOST_TRIES = 20


def spawn(command):
    return subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def run(*command):
    """Wall seconds, exit status, and seconds of processor time of a command."""
    begin = time.monotonic()
    child = spawn(command)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return time.monotonic() - begin, child.returncode, usage.ru_utime + usage.ru_stime


def best(times, *command):
    """The quickest of some runs: the machine may be busy with other things."""
    return min(run(*command) for _ in range(times))


def peak_memory(*command):
    """Bytes: all that it has in memory, and what is its own of that, which leaves out pages of programs and libraries.
    What wait4() tells of a child begins with what this process has itself, so that the child is asked."""
    child = spawn(command)
    peak = {"VmHWM": 0, "RssAnon": 0}
    while child.poll() is None:
        try:
            status = pathlib.Path(f"/proc/{child.pid}/status").read_text()
            if os.readlink(f"/proc/{child.pid}/exe") != os.path.realpath(sys.executable):
                for name, kilobytes in re.findall(r"(VmHWM|RssAnon):\s*(\d+)", status):
                    peak[name] = max(peak[name], 1024 * int(kilobytes))
        except OSError:
            break  # it has ended
        time.sleep(0.0005)
    child.wait()
    return peak["VmHWM"], peak["RssAnon"]


def compressed(path):
    return len(subprocess.run(["zstd", "-19", "-q", "-c", str(path)], check=True, capture_output=True).stdout)


def fetch(folder, name, version, image):
    """An image of a package of npm."""
    folder.mkdir(parents=True, exist_ok=True)
    root = folder / f"{name.replace('@', '').replace('/', '-')}-{version}"
    if not root.exists():
        packed = subprocess.run(["npm", "pack", "--silent", f"{name}@{version}"], cwd=folder, check=True,
                                capture_output=True, text=True).stdout.strip()
        with tarfile.open(folder / packed) as archive:
            archive.extractall(root, filter="data")
        (folder / packed).unlink()
    return root / "package" / image


def create_command(baseline, updated, package, report):
    return [BIN / "patchgen", "create", baseline, updated, "-o", package, "--quiet", "--json", report]


def one_change(baseline, folder):
    """A copy of an image with another constant, for which there is a package; None where no constant serves."""
    image = baseline.read_bytes()
    at = struct.unpack_from("<I", image, 60)[0]
    section_count, optional_size = (struct.unpack_from("<H", image, at + offset)[0] for offset in (6, 20))
    headers = (struct.unpack_from("<8s4I", image, at + 24 + optional_size + 40 * i) for i in range(section_count))
    begin, size = next((raw, raw_size) for name, _, _, raw_size, raw in headers if name.startswith(b".text"))
    changed = folder / f"one-change-{baseline.name}"
    for found in list(CONSTANT.finditer(image, begin, begin + size))[:MOST_TRIES]:
        changed.write_bytes(image[:found.start(1)] + bytes([found[1][0] ^ 2]) + image[found.start(1) + 1:])
        if run(*create_command(baseline, changed, folder / "package", folder / "report.json"))[1] == 0:
            return changed
    return None


def measure(baseline, updated, folder, peers):
    size = baseline.stat().st_size + updated.stat().st_size
    package, report = folder / "package", folder / "report.json"
    seconds, status, processor = best(3, *create_command(baseline, updated, package, report))
    if status not in (0, 3, 4):
        sys.exit(f"{updated}: patchgen ends with {status}")
    told = json.loads(report.read_text())
    functions = told["functions"]["baseline"] + told["functions"]["updated"]
    print(f"{updated.name}: {size / MB:.2f} MB the pair, {told['machine']}, {told['result']}")
    print(f"  create     {seconds:9.3f} s   {functions:8} functions, {functions / seconds:,.0f} a second; "
          f"{processor:.3f} s of processor time")
    memory, own = peak_memory(*create_command(baseline, updated, package, report))
    idle, _ = max(peak_memory(BIN / "patchgen", "--help") for _ in range(10))  # it has ended before it is asked often
    print(f"  memory     {memory / MB:9.1f} MB  {memory / size:.2f}x the pair; {own / MB:.1f} MB of that its own, "
          f"{own / size:.2f}x; an idle patchgen has {idle / MB:.1f} MB, {idle / size:.2f}x")
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
        took, _, used = run(*command)
        print(f"  {name:10} {took:9.3f} s   {took / seconds:.1f}x of create, {used / processor:.1f}x in processor time")
    sizes = {"bsdiff": (folder / "bsdiff").stat().st_size, "xdelta3": (folder / "xdelta3").stat().st_size,
             "full image, zstd": compressed(updated)}
    if told["result"] == "package":
        sizes = {"package": package.stat().st_size, "package, zstd": compressed(package)} | sizes
    print("  bytes      " + "; ".join(f"{name} {count:,}" for name, count in sizes.items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-peers", action="store_true", help="leave out bsdiff, xdelta3 and sizes")
    parser.add_argument("--one-change", action="store_true", help="also compare each baseline with a changed copy of it")
    parser.add_argument("--npm", type=pathlib.Path, metavar="FOLDER", help="add pairs of three sizes, kept in FOLDER")
    parser.add_argument("images", nargs="*", type=pathlib.Path, metavar="BASELINE UPDATED")
    options = parser.parse_args()
    if len(options.images) % 2:
        parser.error("images come in pairs")
    pairs = list(zip(options.images[::2], options.images[1::2]))
    if options.npm:
        for name, before, after, image in PAIRS:
            pairs.append((fetch(options.npm, name, before, image), fetch(options.npm, name, after, image)))
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for baseline, updated in pairs:
            measure(baseline, updated, folder, not options.no_peers)
            changed = one_change(baseline, folder) if options.one_change else None
            if changed:
                measure(baseline, changed, folder, not options.no_peers)


if __name__ == "__main__":
    main()
