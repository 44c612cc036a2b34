"""Runs patchgen over fixes with known truth, and applies packages to processes; see fixes.sh."""
import collections
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

import triggers

BIN, FOLDER = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
TARGETS = ("x64", "x64gcc", "arm64")
TIMEOUT = 300  # seconds for one run; a hang is a fault


def output_of(*command):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True,
                          timeout=TIMEOUT).stdout


def sections_of(image):
    """RVAs of the sections, in the order of the section table."""
    text = output_of("llvm-readobj-19", "--sections", image)
    return [int(rva, 16) for rva in re.findall(r"VirtualAddress: (0x[0-9A-Fa-f]+)", text)]


def functions_of(image):
    """RVAs of the functions that symbols name, by name; statics of several files may share one."""
    found = collections.defaultdict(set)
    pdb = image.with_suffix(".pdb")
    if pdb.exists():
        sections = sections_of(image)
        name = None
        for line in output_of("llvm-pdbutil-19", "dump", "-symbols", pdb).splitlines():
            if match := re.search(r"S_[GL]PROC32(?:_ID)? \[.*\] `(.*)`", line):
                name = match[1]
            elif name and (match := re.search(r"addr = (\d+):(\d+)", line)):
                found[name].add(sections[int(match[1]) - 1] + int(match[2]))
                name = None
        return found
    base = int(re.search(r"ImageBase: (0x[0-9A-Fa-f]+)", output_of("llvm-readobj-19", "--file-headers", image))[1], 16)
    for line in output_of("llvm-nm-19", image).splitlines():
        if match := re.fullmatch(r"([0-9a-f]+) [tT] (.+)", line):
            found[match[2]].add(int(match[1], 16) - base)
    return found


def missed(truth, report, before, after):
    """Functions of the truth that the report does not list, although both linked images hold them."""
    def holds(side, size, addresses):
        """Whether a change covers one: without symbols a function may count as a part of its neighbour."""
        return any(change[side] is not None and change[side] <= at < change[side] + max(change[size], 1)
                   for change in report["changes"] for at in addresses)

    # Which function is which could not be said of all: the refusal names them by address.
    named = {one.get("rva") for one in report["reasons"] if one["code"] == "match-ambiguous"}
    for function in truth["f_changed"]:
        name = function.split(":", 1)[-1]
        # Not in the linked image: inlined everywhere, or dropped by the linker as unused.
        if before[name] and after[name] and not holds("baseline_rva", "baseline_size", before[name]) and not holds(
                "updated_rva", "size", after[name]) and not after[name] & named:
            yield function


def create(before, after, package, symbols):
    report = package.with_suffix(".json")
    package.unlink(missing_ok=True)
    report.unlink(missing_ok=True)
    started = time.monotonic()
    code = subprocess.run([str(BIN / "patchgen"), "create", before, after, "-o", package, "--quiet", "--json", report,
                           *([] if symbols else ["--no-symbols"])], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, check=False, timeout=TIMEOUT).returncode
    seconds = time.monotonic() - started
    return code, json.loads(report.read_text()) if report.exists() else None, seconds


def patchgen_on_all(fixes, work, faults):
    sizes, made, results = collections.defaultdict(list), collections.Counter(), collections.Counter()
    print("pair, target, symbols: result; reasons; missed; bytes of the package, compressed; seconds")
    for fix in fixes:
        truth = json.loads((fix / "truth.json").read_text())["truth"]
        for target in TARGETS:
            before, after = fix / f"baseline.{target}.dll", fix / f"fixed.{target}.dll"
            if not before.exists() or target not in truth:
                continue
            named = functions_of(before), functions_of(after)
            for symbols in (True, False):
                key = target, "symbols" if symbols else "none"
                label = f"{fix.name}, {', '.join(key)}"
                package = work / "package.dll"
                code, report, seconds = create(before, after, package, symbols)
                if code not in (0, 3, 4) or not report:
                    faults.append(f"{label}: exit code {code}")
                    continue
                size = small = 0
                if code == 0:
                    made[key] += 1
                    size = package.stat().st_size
                    small = len(subprocess.run(["zstd", "-19", "-c", package], capture_output=True, check=True).stdout)
                    sizes[key].append((size, small))
                results[key] += 1
                again = fix / f"reordered.{target}.dll"
                if again.exists() and (code := create(after, again, package, symbols)[0]) != 3:
                    faults.append(f"{label}: the same objects in another order: exit code {code}, not 3")
                lost = list(missed(truth[target], report, *named))
                faults += [f"MISSED: {label}: {function}" for function in lost]
                reasons = sorted({one["code"] for one in report["reasons"]})
                print(f"{label}: {report['result']}; {', '.join(reasons) or '-'}; {', '.join(lost) or '-'}; "
                      f"{size}, {small}; {seconds:.2f}", flush=True)
    print()
    for key in sorted(results):
        medians = [statistics.median(column) for column in zip(*sizes[key])] or [0, 0]
        print(f"{', '.join(key)}: {made[key]} packages of {results[key]} pairs, "
              f"{medians[0]:.0f} bytes at the median, {medians[1]:.0f} compressed")


def main():
    chosen = set(sys.argv[3:])
    fixes = [folder for folder in sorted(FOLDER.iterdir())
             if (folder / "truth.json").exists() and (not chosen or folder.name in chosen)]
    faults = []
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        patchgen_on_all(fixes, work, faults)
        print()
        triggers.pull_all(BIN, fixes, work, faults)
    for fault in faults:
        print("FAULT:", fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
