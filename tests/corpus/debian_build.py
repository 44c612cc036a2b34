"""Compiles and links libraries for the three targets of the pairs."""
import functools
import os
import pathlib
import re
import shutil
import subprocess

import objects

RUNTIME = pathlib.Path(__file__).with_name("debian_runtime.c")
CACHE = ["ccache"] if shutil.which("ccache") else []
HEADERS = "/usr/share/mingw-w64/include"
COMMON = ["-O2", "-ffunction-sections", "-fdata-sections", "-w"]
# MSVC's ABI with the headers of MinGW-w64, which are for compilers that say they are GCC.
CLANG = ["-g", "-gcodeview", "-fdebug-compilation-dir=.", "-fstack-protector-strong", "-Xclang", "-cfguard",
         "-fgnuc-version=4.2.1", "-U_MSC_VER", "-fno-ms-compatibility", "-D__MINGW32__", "-D__MINGW64__", "-D_WIN64",
         "-D__declspec=__declspec", "-nostdlibinc"]
TRIPLES = {"x64": ("x86_64-pc-windows-msvc", "i386:x86-64"), "arm64": ("aarch64-pc-windows-msvc", "arm64")}
TARGETS = ("x64", "arm64", "x64gcc")


def run(*command, cwd=None):
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False,
                          env={**os.environ, "SOURCE_DATE_EPOCH": "1", "CCACHE_NOHASHDIR": "1"})
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))[:300]}\n{done.stderr}")
    return done.stdout


def gcc(cxx):
    return f"x86_64-w64-mingw32-{'g++' if cxx else 'gcc'}-posix"


@functools.cache
def cxx_headers():
    top = pathlib.Path(run(gcc(True), "-print-file-name=include").strip()) / "c++"
    return "-isystem", top, "-isystem", top / "x86_64-w64-mingw32"


def compile_source(target, tree, source, flags, output):
    """Makes an object file, and returns the files it was made of, but for headers of the system."""
    cxx = not source.endswith(".c")
    compiler = [gcc(cxx)]
    if target in TRIPLES:
        compiler = ["clang-19", f"--target={TRIPLES[target][0]}", *CLANG]
        if cxx:
            compiler += ["-nostdinc++", "-fexceptions", "-fcxx-exceptions", *cxx_headers()]
        compiler += ["-isystem", HEADERS]
    output.parent.mkdir(parents=True, exist_ok=True)
    needs = output.with_suffix(".d")
    run(*CACHE, *compiler, *COMMON, *flags, "-MMD", "-MF", needs, "-c", source, "-o", output, cwd=tree)
    return needs.read_text().replace("\\\n", " ").split(": ", 1)[1].split()


def link(target, built, exports, output, work, libraries):
    """Links (path, objects.Object) pairs in their order; what they lack is imported from a DLL that is not there."""
    listed = work / "exports.def"
    listed.write_text("EXPORTS\n" + "".join(f'"{name}"\n' for name in exports))
    if target in TRIPLES:
        link_clang(target, built, listed, output, work)
    else:
        link_gcc(built, listed, output, work, libraries)


def import_library(names, machine, work):
    definition, library = work / "imports.def", work / "imports.lib"
    definition.write_text("LIBRARY runtime.dll\nEXPORTS\n" + "".join(f'"{name}"\n' for name in sorted(names)))
    run("llvm-dlltool-19", "-m", machine, "-d", definition, "-l", library)
    return library


def link_clang(target, built, exports, output, work):
    triple, machine = TRIPLES[target]
    runtime = work / "runtime.o"
    run("clang-19", f"--target={triple}", "-O2", "-Xclang", "-cfguard", "-fno-stack-protector", "-c", RUNTIME, "-o",
        runtime)
    parts = [*built, (runtime, objects.Object(runtime, "runtime"))]
    defined = {name for _, one in parts for name in one.defined}
    missing = {name.removeprefix("__imp_") for _, one in parts for name in one.undefined} - defined
    library = import_library({name for name in missing if not name.startswith("__guard_")}, machine, work)
    run("lld-link-19", "/dll", f"/machine:{target}", "/nodefaultlib", "/guard:cf", "/opt:ref,icf", "/Brepro", "/debug",
        f"/pdb:{output.with_suffix('.pdb')}", "/pdbaltpath:%_PDB%", f"/def:{exports}", f"/out:{output}", "/noimplib",
        *[path for path, _ in parts], library)


def link_gcc(built, exports, output, work, libraries):
    command = [gcc(True), "-shared", "-Wl,--gc-sections", "-Wl,--no-insert-timestamp", "-Wl,--no-demangle", exports,
               "-o", output, *[path for path, _ in built], *[f"-l{name}" for name in libraries]]
    try:
        run(*command)
    except RuntimeError as error:
        names = set(re.findall(r"undefined reference to `(?:__imp_)?([^']+)'", str(error)))
        if not names:
            raise
        run(*command, import_library(names, TRIPLES["x64"][1], work))
