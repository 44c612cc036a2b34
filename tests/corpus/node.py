"""Hotpatches an addon in a running Node.js: see node.sh."""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import node_mutant
import triggers

PATCHGEN, SUTURE = (pathlib.Path(sys.argv[1]) / name for name in ("patchgen", "suture"))
NODE, OLD, NEW = map(pathlib.Path, sys.argv[2:5])
CYCLES = int(sys.argv[5])
PROGRAM = pathlib.Path(__file__).with_name("node.js")
THREADS = 4
PATIENCE = 120  # seconds
MS = 1000  # microseconds
RELEASED, CHANGED = 1, 2  # sequences
CHECKED_EVERY = 10  # cycles


class Fault(Exception):
    pass


def require(condition, told):
    if not condition:
        raise Fault(told)


def addon_of(package):
    return next((package / "prebuilds" / "win32-x64").glob("*.node"))


def windows(path):
    return "Z:" + str(path).replace("/", "\\")


class Node:
    """Node.js under Wine, its output in a file."""

    def __init__(self, work, addon, what):
        self.output = work / "node.out"
        environment = triggers.environment_of(work) | {"NODE_SKIP_PLATFORM_CHECK": "1"}
        with open(self.output, "wb") as out:
            self.process = subprocess.Popen(
                [triggers.wine(), str(NODE), windows(PROGRAM), windows(addon), str(what)], stdin=subprocess.DEVNULL,
                stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=work)
        self.pid = self.process.pid

    def text(self):
        return self.output.read_text(errors="replace")

    def said(self):
        """What it says until it ends."""
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.end()
        return self.text().strip()

    def last(self):
        """The sums of the last whole line and the number of lines; every call so far must be right."""
        lines = self.text().split("\n")[:-1]
        require(self.process.poll() is None, f"Node.js has ended: {self.text()[-2000:]}")
        if not lines:
            return None, 0
        try:
            sums = json.loads(lines[-1])
        except ValueError:
            raise Fault(f"Node.js says: {self.text()[-2000:]}") from None
        require(not any(sums["wrong"]), f"calls went wrong: {lines[-1]}")
        return sums, len(lines)

    def fresh(self, holds=lambda sums: True):
        """The sums of a line that is begun after this call and fulfils a condition."""
        deadline, begin = time.monotonic() + PATIENCE, self.last()[1]
        while time.monotonic() < deadline:
            sums, count = self.last()
            if count >= begin + 2 and holds(sums):
                return sums
            time.sleep(0.02)
        raise Fault(f"nothing of what is waited for within {PATIENCE} s: {self.last()[0]}")

    def shows(self, behaviour):
        """Each thread finishes the call that it is in, and from then on calls show this behaviour alone."""
        other = "old" if behaviour == "new" else "new"

        def all_beyond(before):
            return lambda sums: all(now > then for now, then in zip(totals(sums), totals(before)))

        begin = self.fresh(all_beyond(self.fresh()))
        end = self.fresh(lambda sums: all(now > then for now, then in zip(sums[behaviour], begin[behaviour])))
        require(end[other] == begin[other], f"calls show {other} behaviour, not {behaviour}: {begin}, then {end}")

    def end(self):
        self.process.kill()
        self.process.wait()


def totals(sums):
    return [sum(one) for one in zip(*sums.values())]


def create(baseline, updated, package, sequence):
    """The report of patchgen."""
    done = subprocess.run([PATCHGEN, "create", baseline, updated, "-o", package, "--sequence", str(sequence), "--quiet",
                           "--json", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    require(done.returncode in (0, 4), f"patchgen ends with {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def changed_addon(baseline, work):
    """A copy of the addon in which mask() alone does something else, as calls show."""
    path = work / f"changed-{baseline.name}"
    for mutant in node_mutant.modulo_2_mutants(baseline.read_bytes()):
        path.write_bytes(mutant)
        if Node(work, path, "probe").said() == "new":
            return path
    raise Fault(f"no constant of {baseline.name} changes what mask() does, and that alone")


class Patches:
    """`suture` on one module of one process."""

    def __init__(self, node, module, baseline):
        self.node, self.module, self.baseline = node, module, baseline
        self.operations, self.attempts, self.pauses = 0, 0, []  # pauses: of what stopped threads

    def run(self, *arguments):
        done = subprocess.run([SUTURE, *map(str, arguments), "--pid", str(self.node.pid), "--json", "-"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False)
        require(done.returncode == 0, f"suture {arguments[0]} ends with {done.returncode}: {done.stdout}{done.stderr}")
        answer = json.loads(done.stdout)
        self.operations += 1
        self.attempts += answer.get("attempts", 0)
        if answer.get("attempts"):
            self.pauses.append(answer["pause_us"])
        return answer

    def apply(self, package, consistency="quiescent"):
        return self.run("apply", package, "--allow-unsigned", "--timeout", PATIENCE, "--consistency", consistency)

    def rollback(self, to, consistency="quiescent"):
        return self.run("rollback", "--module", self.module, "--to", to, "--timeout", PATIENCE, "--consistency",
                        consistency)

    def intact(self, sequence):
        answer = self.run("status")
        modules = [one for one in answer["processes"][0]["modules"] if one["module"] == self.module]
        require(len(modules) == 1 and modules[0]["intact"] and modules[0]["active"] == sequence,
                f"status does not tell of sequence {sequence}, intact: {answer}")

    def remove(self):
        answer = self.run("remove", "--module", self.module, "--timeout", PATIENCE)
        image = self.baseline.read_bytes()
        rva, size, raw = node_mutant.sections(image)[".text"]
        with open(f"/proc/{self.node.pid}/mem", "rb", 0) as memory:
            memory.seek(answer["modules"][0]["base"] + rva)
            require(memory.read(size) == image[raw:raw + size], "the code in memory is not the baseline's after remove")


def patch(work, addon, released, changed):
    node = Node(work, addon, THREADS)
    try:
        node.fresh(lambda sums: all(sums["old"]))
        patches = Patches(node, addon.name, addon)
        bottom = 0
        if released:
            patches.apply(released)
            patches.intact(RELEASED)
            node.shows("old")
            patches.rollback(0)
            node.shows("old")
            patches.apply(released)
            bottom = RELEASED
        started = time.monotonic()
        for cycle in range(CYCLES):
            consistency = ("quiescent", "none")[cycle % 2]
            patches.apply(changed, consistency)
            if cycle % CHECKED_EVERY == 0:
                node.shows("new")
                patches.intact(CHANGED)
            patches.rollback(bottom if cycle % 3 else 0, consistency)
            if cycle % CHECKED_EVERY == 0:
                node.shows("old")
            node.last()
        seconds = time.monotonic() - started
        patches.apply(changed)
        node.shows("new")
        patches.rollback(0)
        patches.intact(0)
        node.shows("old")
        patches.remove()
        node.shows("old")
        sums = node.fresh()
        count = {kind: sum(sums[kind]) for kind in sums}
        threads = len(os.listdir(f"/proc/{node.pid}/task"))
        print(f"node: {CYCLES} cycles of apply and rollback in {seconds:.0f} s, {patches.operations} runs of suture, "
              f"{patches.attempts} stops, pause {statistics.median(patches.pauses) / MS:.2f} ms (median), "
              f"{max(patches.pauses) / MS:.2f} ms (longest), {threads} threads, {THREADS} of them calling; "
              f"{sum(count.values())} calls, {count['old']} old, {count['new']} new, {count['wrong']} wrong")
    finally:
        node.end()


def main():
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        environment = triggers.environment_of(work)
        subprocess.run([triggers.wine(), "wineboot", "-i"], env=environment, stdin=subprocess.DEVNULL, cwd=work,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        try:
            old, new = addon_of(OLD), addon_of(NEW)
            told = create(old, new, work / "released.dll", RELEASED)
            reasons = ", ".join(sorted({one["code"] for one in told["reasons"]}))
            print(f"{OLD.parent.name} -> {NEW.parent.name}: {told['result']}, {told['functions']['changed']} of "
                  f"{told['functions']['baseline']} functions changed" + (f": {reasons}" if reasons else ""), flush=True)
            released = work / "released.dll" if told["result"] == "package" else None
            changed = changed_addon(old, work)
            told = create(old, changed, work / "changed.dll", CHANGED)
            require(told["result"] == "package", f"no package for one constant: {told['reasons']}")
            print(f"{OLD.parent.name} -> a copy with another constant: {told['functions']['changed']} function changed",
                  flush=True)
            patch(work, old, released, work / "changed.dll")
        except Fault as fault:
            print("FAULT:", fault)
            return 1
        finally:
            subprocess.run(["/usr/lib/wine/wineserver64", "-k"], env=environment, check=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
