"""Runs patchgen over the pairs that run.sh has fetched, and prints a line for each and totals."""
import collections
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import time

BIN, FOLDER, LIST = (pathlib.Path(path) for path in sys.argv[1:4])
MACHINES = {0x8664: "x64", 0xAA64: "arm64"}
SUFFIXES = {".dll", ".node", ".exe"}
TIMEOUT = 900  # seconds for one run; a hang is a fault


def machine_of(path):
    """x64, arm64, or None for what is no PE image of either."""
    with open(path, "rb") as file:
        head = file.read(4096)
    if head[:2] != b"MZ" or len(head) < 64:
        return None
    at = struct.unpack_from("<I", head, 60)[0]
    return MACHINES.get(struct.unpack_from("<H", head, at + 4)[0]) if at + 6 <= len(head) else None


def images_in(name, version):
    root = FOLDER / f"{name.replace('@', '').replace('/', '-')}-{version}" / "package"
    return {str(path.relative_to(root)): path for path in sorted(root.rglob("*"))
            if path.suffix.lower() in SUFFIXES and path.is_file() and machine_of(path)}


def run(arguments, report):
    """Exit code, report, seconds and peak memory in KiB of one patchgen run; no report where there is none."""
    started = time.monotonic()
    process = subprocess.Popen([str(BIN / "patchgen"), *map(str, arguments), "--quiet", "--json", str(report)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = started + TIMEOUT
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > deadline:
            process.kill()
        time.sleep(0.01)
    process.returncode = os.waitstatus_to_exitcode(status)
    found = json.loads(report.read_text()) if report.exists() and report.stat().st_size else None
    report.unlink(missing_ok=True)
    return process.returncode, found, time.monotonic() - started, usage.ru_maxrss


def listed(counts):
    return ", ".join(f"{name} {count}" for name, count in counts.most_common()) or "-"


def main():
    pairs = [line.split() for line in LIST.read_text().splitlines() if line and not line.startswith("#")]
    work = pathlib.Path(tempfile.mkdtemp())
    report, package = work / "report.json", work / "package"
    faults = []

    print("image: machine, functions, redirectable; what cannot be")
    total, seen = {}, set()
    for name, *versions in pairs:
        for version in versions:
            for short, image in images_in(name, version).items():
                label = f"{name} {version} {short.removeprefix('package/')}"
                identity = (image.stat().st_size, hash(image.read_bytes()))
                if identity in seen:
                    continue
                seen.add(identity)
                code, found, *_ = run(["check", image], report)
                if code != 0 or not found:
                    faults.append(f"check {label}: exit code {code}")
                    continue
                refused = collections.Counter(one["reason"] for one in found["refused"])
                print(f"{label}: {found['machine']}, {found['functions']}, {found['redirectable']}; {listed(refused)}",
                      flush=True)
                sums = total.setdefault(found["machine"], [0, 0, 0, collections.Counter()])
                sums[0] += 1
                sums[1] += found["functions"]
                sums[2] += found["redirectable"]
                sums[3] += refused
                code = run(["create", image, image, "-o", package], report)[0]
                if code != 3:
                    faults.append(f"create of {label} and itself: exit code {code}, not 3")

    print("\npair: result, functions, matched, changed; reasons; proof, seconds, KiB of memory, bytes of the package; "
          "without symbols: pairs, found, false, unseen")
    for name, old, new in pairs:
        before, after = images_in(name, old), images_in(name, new)
        for short in sorted(before.keys() & after.keys()):
            a, b = before[short], after[short]
            package.unlink(missing_ok=True)
            code, found, seconds, memory = run(["create", a, b, "-o", package], report)
            label = f"{name} {old} {new} {short}"
            if code not in (0, 3, 4) or not found:
                faults.append(f"create {label}: exit code {code}")
                continue
            proof, size = "-", package.stat().st_size if package.exists() else 0
            if code == 0:
                proof = "holds" if run(["prove", a, b, package], report)[0] == 0 else "fails"
                if proof == "fails":
                    faults.append(f"prove {label}")
            truth = "-"
            tool = BIN / "symbol-truth"
            if tool.exists() and a.with_suffix(".pdb").exists() and b.with_suffix(".pdb").exists():
                answer = subprocess.run([tool, a, b], capture_output=True, text=True, check=False)
                truth = answer.stdout.strip() if answer.returncode == 0 else "fails"
                if answer.returncode != 0 or truth.split()[2] != "0":
                    faults.append(f"symbol-truth {label}: {truth}")
            counts = found["functions"]
            reasons = collections.Counter(one["code"] for one in found["reasons"])
            print(f"{label}: {found['result']}, {counts['baseline']}, {counts['matched']}, {counts['changed']}; "
                  f"{listed(reasons)}; {proof}, {seconds:.2f}, {memory}, {size}; {truth}", flush=True)

    print()
    for machine, (images, functions, redirectable, refused) in sorted(total.items()):
        print(f"{machine}: {images} images, {functions} functions, {redirectable} redirectable "
              f"({100 * redirectable / max(functions, 1):.2f} %); {listed(refused)}")
    for fault in faults:
        print("FAULT:", fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
