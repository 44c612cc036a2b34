"""Pulls triggers on libraries in processes under Wine, and patches them meanwhile."""
import os
import pathlib
import re
import subprocess
import time

TRIGGERS = pathlib.Path(__file__).parent / "triggers"
PATIENCE = 30  # seconds for a line, or for a change of lines
PREFIX = "wine-prefix-fixes"


def wine():
    for candidate in ("/usr/lib/wine/wine64", "/usr/bin/wine64", "/usr/bin/wine"):
        if os.access(candidate, os.X_OK):
            return candidate
    raise SystemExit("wine is needed")


def environment_of(work):
    return dict({name: value for name, value in os.environ.items() if name != "DISPLAY"},
                WINEPREFIX=str(work / PREFIX), WINEDEBUG="-all", WINESERVER="/usr/lib/wine/wineserver64",
                WINEDLLOVERRIDES="mscoree,mshtml,winemenubuilder.exe=d")


class Program:
    """A program under Wine whose lines go to a file: Wine's services would keep a pipe open."""

    def __init__(self, executable, library, work, name):
        self.output = work / f"{name}.out"
        with open(self.output, "wb") as out:
            self.process = subprocess.Popen([wine(), str(executable), str(library)], stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=subprocess.STDOUT, env=environment_of(work),
                                            cwd=executable.parent)

    def lines(self):
        return self.output.read_text(errors="replace").replace("\r", "").split("\n")[:-1]

    def steady(self, unlike=None):
        """The line that the trigger shows, three times in a row; None where there is none but `unlike`."""
        deadline, begin = time.monotonic() + PATIENCE, len(self.lines())
        while time.monotonic() < deadline:
            recent = self.lines()[begin:][-3:]
            if len(recent) == 3 and len(set(recent)) == 1 and recent[0] != unlike:
                return recent[0]
            if self.process.poll() is not None:
                return None
            time.sleep(0.05)
        return None

    def end(self):
        self.process.kill()
        self.process.wait()


def import_shim(library, folder):
    """Some of the images import what MinGW has in static libraries from a DLL named after one: makes that DLL."""
    text = subprocess.run(["llvm-readobj-19", "--coff-imports", str(library)], capture_output=True, text=True,
                          check=True).stdout
    for block in re.findall(r"Import \{(.*?)\n\}", text, re.S):
        if "Name: mingwex.dll" not in block:
            continue
        entries = dict.fromkeys(re.findall(r"Symbol: (\S+) \(", block), "")
        definition = folder / "mingwex.def"
        for _ in range(2):
            definition.write_text("LIBRARY mingwex.dll\nEXPORTS\n" +
                                  "".join(f"{name}{alias}\n" for name, alias in entries.items()))
            made = subprocess.run(["x86_64-w64-mingw32-g++", "-shared", "-static", str(definition), "-o",
                                   str(folder / "mingwex.dll")], check=False, capture_output=True, text=True)
            # What nobody has, no trigger calls.
            entries.update((name, " = abort") for name in re.findall(r"cannot export (\S+):", made.stderr))


def pull(binaries, fix, target, work, executable):
    """What the trigger shows before and after, and with the fixed library; and what went wrong, or None."""
    folder = work / f"{fix.name}-{target}"
    folder.mkdir()
    program = folder / "main.exe"
    program.write_bytes(executable.read_bytes())
    import_shim(fix / f"baseline.{target}.dll", folder)
    package = folder / "package.dll"
    created = subprocess.run([str(binaries / "patchgen"), "create", str(fix / f"baseline.{target}.dll"),
                              str(fix / f"fixed.{target}.dll"), "-o", str(package), "--quiet"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode
    if created != 0:
        return "-", "-", "-", f"no package: patchgen's exit code is {created}"
    reference = Program(program, fix / f"fixed.{target}.dll", work, f"{folder.name}.fixed")
    wanted = reference.steady()
    reference.end()
    patched = Program(program, fix / f"baseline.{target}.dll", work, f"{folder.name}.patched")
    try:
        before = patched.steady()
        if before is None or wanted is None:
            return before, None, wanted, "the library does not load, or the trigger shows nothing steady"
        log = work / f"{folder.name}.apply"
        with open(log, "wb") as out:
            code = subprocess.run([str(binaries / "suture"), "apply", str(package), "--pid", str(patched.process.pid),
                                   "--allow-unsigned"], stdin=subprocess.DEVNULL, stdout=out,
                                  stderr=subprocess.STDOUT, check=False).returncode
        if code != 0:
            return before, None, wanted, f"suture: exit code {code}: {log.read_text().strip()}"
        after = patched.steady(unlike=before)
        if before == wanted:
            return before, after, wanted, "the trigger does not tell the libraries apart"
        return before, after, wanted, None if after == wanted else "the process does not show the fixed behaviour"
    finally:
        patched.end()


def pull_all(binaries, fixes, work, faults):
    chosen = [(fix, TRIGGERS / f"{fix.name}.c") for fix in fixes if (TRIGGERS / f"{fix.name}.c").exists()]
    if not chosen:
        return
    subprocess.run([wine(), "wineboot", "-i"], env=environment_of(work), stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, cwd=work)
    shown = set()
    print("pair, target: with the baseline -> patched (with the fixed library)")
    for fix, source in chosen:
        executable = work / f"{fix.name}.exe"
        subprocess.run(["clang-19", "--target=x86_64-w64-mingw32", "-O1", "-Wall", "-Wl,--stack,67108864", "-static",
                        str(source), str(TRIGGERS / "main.c"), "-o", str(executable)], check=True)
        for target in ("x64", "x64gcc"):
            before, after, wanted, fault = pull(binaries, fix, target, work, executable)
            print(f"{fix.name}, {target}: {before} -> {after} ({wanted})" + (f": {fault}" if fault else ""), flush=True)
            if fault:
                faults.append(f"{fix.name}, {target}: {fault}")
            else:
                shown.add(fix.name)
    print(f"{len(shown)} fixes shown in a process")
    subprocess.run(["/usr/lib/wine/wineserver64", "-k"], env=environment_of(work), check=False)
