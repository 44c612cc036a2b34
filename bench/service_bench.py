#!/usr/bin/env python3
"""What services notice of hotpatching: latency under load, memory of many patched processes, time to patch them all.

    bench/service_bench.py [--rounds N] [--processes N ...]

Latency: clients keep the heartbeat service busy, in rounds of three segments of some seconds: undisturbed, with a
hotpatch applied and rolled back ten times a second, and undisturbed again. The median of the rounds' ratios, disturbed
by the mean of both sides, with the least and the most of them, and the target of 1.10 at 99.9 %; beside it the same of
the undisturbed segments by each other, which is what the machine does by itself. Each kind of site, stopped and not
(--consistency none).

Fleet: so many services are started and patched one after the other by `suture apply`. Wall time of each, the last
quarter beside the first (linear: 1.0); what the hotpatch takes of each process's memory: its part of the pages that all
share (Pss), and how much more it has of its own than before, with the target of 64 KiB. Builds must be there
(cmake --build --preset default --target benchmarks samples suture target-tool heartbeat-client).
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import tempfile
import time

BUILD = pathlib.Path(__file__).resolve().parent.parent / "build"
BIN = BUILD / "bin"
SECONDS = 3
RATE = 10
CONNECTIONS = 16
KIB = 1024


def cache_entry(name):
    found = re.search(rf"^{name}:\w+=(.+)$", (BUILD / "CMakeCache.txt").read_text(), re.MULTILINE)
    return found.group(1)


def environment():
    quiet = {"WINEPREFIX": str(BUILD / "wine-prefix"), "WINESERVER": cache_entry("SUTURE_WINESERVER"),
             "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml,winemenubuilder.exe=d"}
    return {key: value for key, value in os.environ.items() if key != "DISPLAY"} | quiet


class Service:
    def __init__(self, folder, name, threads=8, build="clang"):
        self.port_file = pathlib.Path(folder) / name
        image = BUILD / "samples" / "heartbeat" / build / "baseline" / "heartbeat.exe"
        self.process = subprocess.Popen([cache_entry("SUTURE_WINE"), image, "--port-file", self.port_file.name,
                                         "--threads", str(threads)], cwd=folder, env=environment(),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        self.pid = self.process.pid

    def wait(self):
        deadline = time.monotonic() + 120
        while not self.port_file.exists() or not self.port_file.read_text().strip():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise SystemExit("a heartbeat service does not start")
            time.sleep(0.02)
        return self

    def end(self):
        self.process.kill()
        self.process.wait()


def make_package(folder, build="clang"):
    package = pathlib.Path(folder) / f"{build}_hotpatch.dll"
    images = BUILD / "samples" / "heartbeat" / build
    subprocess.run([BIN / "patchgen", "create", images / "baseline" / "heartbeat.dll",
                    images / "updated" / "heartbeat.dll", "-o", package, "--quiet"], check=True)
    return package


def load(service):
    answer = subprocess.run([BIN / "heartbeat-client", "--port-file", service.port_file, "load", "--connections",
                             str(CONNECTIONS), "--seconds", str(SECONDS), "--mode", "any"],
                            check=True, capture_output=True, text=True)
    return json.loads(answer.stdout)


def spread(ratios):
    return f"{statistics.median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})"


def latency(folder, rounds):
    print(f"latency of {CONNECTIONS} clients, {rounds} rounds of {SECONDS} s undisturbed, disturbed and undisturbed; "
          f"disturbed: apply and roll back {RATE} times a second")
    for build in ("clang-hotpatch", "clang"):
        package = make_package(folder, build)
        for consistency in ("quiescent", "none"):
            service = Service(folder, f"port-{build}-{consistency}", build=build).wait()
            load(service)
            before, busy, after = [], [], []
            for _ in range(rounds):
                before.append(load(service))
                cycles = SECONDS * RATE
                with subprocess.Popen([BIN / "target-tool", "cycle", package, str(service.pid), str(cycles),
                                       str(1000 // RATE), consistency], stdout=subprocess.PIPE, text=True) as patcher:
                    busy.append(load(service))
                    said = patcher.communicate()[0].strip()
                    if patcher.returncode != 0:
                        raise SystemExit("the cycles failed")
                after.append(load(service))
            service.end()
            lost = sum(one["wrong"] + one["lost"] for one in before + busy + after)
            print(f"  {build}, {consistency}: {sum(one['requests'] for one in busy)} requests, {lost} wrong or lost; "
                  f"the last {said}")
            for key, name in (("p50_us", "50 %"), ("p99_us", "99 %"), ("p999_us", "99.9 %")):
                quiet = [(one[key] + other[key]) / 2 for one, other in zip(before, after)]
                disturbed = [one[key] for one in busy]
                print(f"    {name:>6}: {statistics.median(quiet):.0f} -> {statistics.median(disturbed):.0f} us, "
                      f"{spread([one / was for one, was in zip(disturbed, quiet)])}; undisturbed, the second beside "
                      f"the first: {spread([two[key] / one[key] for one, two in zip(before, after)])}")


def sum_of(pid, file, *keys, where=""):
    """Bytes under these keys of /proc/PID/smaps or smaps_rollup, of the mappings whose line holds `where`."""
    total = 0
    ours = False
    for line in pathlib.Path(f"/proc/{pid}/{file}").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            ours = where in line
        elif ours and line.startswith(keys):
            total += int(line.split()[1]) * KIB
    return total


def private_of(pid):
    return sum_of(pid, "smaps_rollup", "Private_Clean:", "Private_Dirty:")


def fleet(folder, count):
    package = make_package(folder)
    services = []
    for first in range(0, count, 10):
        some = [Service(folder, f"fleet-{count}-{i}", 2) for i in range(first, min(first + 10, count))]
        services += [one.wait() for one in some]
    before = [private_of(service.pid) for service in services]
    times = []
    begin = time.monotonic()
    for service in services:
        started = time.monotonic()
        subprocess.run([BIN / "suture", "apply", package, "--pid", str(service.pid), "--allow-unsigned", "--quiet"],
                       check=True)
        times.append((time.monotonic() - started) * 1000)
    wall = time.monotonic() - begin
    shared = statistics.median(sum_of(service.pid, "smaps", "Pss:", where="/memfd:suture-") for service in services)
    private = [private_of(service.pid) - was for service, was in zip(services, before)]
    for service in services:
        service.end()
    quarter = max(1, count // 4)
    first, last = statistics.median(times[:quarter]), statistics.median(times[-quarter:])
    print(f"fleet of {count}: {wall:.2f} s, {statistics.median(times):.1f} ms a process, last quarter "
          f"{last / first:.2f}x the first; memory a process: {shared / KIB:.1f} KiB of what all share (Pss), "
          f"{statistics.median(private) / KIB:.0f} KiB more of its own, at most {max(private) / KIB:.0f} KiB (target 64)")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--processes", type=int, nargs="*", default=[50, 200])
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.rounds:
            latency(folder, arguments.rounds)
        for count in arguments.processes:
            fleet(folder, count)


if __name__ == "__main__":
    main()
