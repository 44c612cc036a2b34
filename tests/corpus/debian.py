"""Builds pairs of DLLs that differ by one fix from Debian's source packages; see debian.sh and debian_fixes.txt."""
import concurrent.futures
import configparser
import fnmatch
import hashlib
import json
import os
import pathlib
import re
import shutil
import sys

import debian_build
import debian_fetch
import objects

LIST, FOLDER, CHOSEN = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), set(sys.argv[3:])
SOURCES = FOLDER / ".sources"


class Library:
    """The sources of a library with all patches up to one, and what they were compiled to."""

    def __init__(self, name, recipes, apt):
        self.name, self.recipe, self.built, self.applied = name, recipes[name], {}, 0
        recipe = self.recipe
        for other in recipe.get("needs", "").split():
            if not (SOURCES / f"{other}.tree").exists():
                Library(other, recipes, apt)
        package, *suites = recipe["source"].split()
        self.dsc = apt.fetch(package, suites)
        self.tree, self.objects = SOURCES / f"{name}.tree", SOURCES / f"{name}.objects"
        for folder in (self.tree, self.objects):
            shutil.rmtree(folder, ignore_errors=True)
        debian_build.run("dpkg-source", "--no-check", "--skip-patches", "-x", self.dsc, self.tree)
        lines = (self.tree / "debian" / "patches" / "series").read_text().splitlines()
        self.series = [line.split("#")[0].split()[0] for line in lines if line.split("#")[0].strip()]
        for key, text in recipe.items():
            kind, _, path = key.partition(" ")
            if kind == "file":
                (self.tree / path).parent.mkdir(parents=True, exist_ok=True)
                (self.tree / path).write_text(text.strip() + "\n")
            elif kind == "copy":
                shutil.copy(self.tree / text, self.tree / path)
            elif kind == "template":
                self.fill_in(path, *text.split())

    def fill_in(self, path, template, *values):
        """What a configure script would make of a template, with `values` as NAME or NAME=VALUE."""
        values = {name: value for name, _, value in (value.partition("=") for value in values)}

        def define(match):
            name = match[2]
            if name in values:
                return f"#define {name} {values[name] or 1}"
            return f"#define {name} 0" if match[1] == "cmakedefine01" else f"/* {name} is not defined */"

        text = (self.tree / template).read_text()
        text = re.sub(r"^\s*#\s*(cmakedefine01|cmakedefine|undef)\s+(\w+).*$", define, text, flags=re.M)
        text = re.sub(r"@(\w+)@", lambda match: values.get(match[1], "0"), text)
        (self.tree / path).write_text(text)

    def fixes(self):
        """The fixes as (place in the series, name, patches), in order."""
        found = []
        for key, text in self.recipe.items():
            if not key.startswith("fix "):
                continue
            name, patches = key.removeprefix("fix "), text.split()
            if lacking := [patch for patch in patches if patch not in self.series]:
                print(f"{self.name}-{name}: left out, {self.dsc.stem} lacks {', '.join(lacking)}", flush=True)
            else:
                found.append((self.series.index(patches[0]), name, patches))
        return sorted(found)

    def patch_up_to(self, count):
        for name in self.series[self.applied:count]:
            debian_build.run("patch", "--batch", "--forward", "--silent", "--no-backup-if-mismatch", "-p1", "-i",
                             f"debian/patches/{name}", cwd=self.tree)
        self.applied = max(self.applied, count)

    def sources(self):
        found = []
        for pattern in self.recipe["files"].split():
            if pattern.startswith("!"):
                found = [path for path in found if not fnmatch.fnmatch(path, pattern[1:])]
            else:
                here = sorted(str(path.relative_to(self.tree)) for path in self.tree.glob(pattern))
                if not here:
                    raise RuntimeError(f"{self.name}: no file is {pattern}")
                found += [path for path in here if path not in found]
        return found

    def hash(self, name):
        path = self.tree / name
        return hashlib.sha256(path.read_bytes()).digest() if path.is_file() else None

    def compile(self, target, source):
        kind = "cflags" if source.endswith(".c") else "cxxflags"
        flags = f"{self.recipe.get('flags', '')} {self.recipe.get(kind, '')}"
        output = self.objects / target / str(self.applied) / f"{source.replace('/', '_')}.o"
        needs = debian_build.compile_source(target, self.tree, source, flags.split(), output)
        return {name: self.hash(name) for name in needs}, (output, objects.Object(output, source))

    def build(self, pool):
        """The objects of the tree as it is now, by target; only what changed is compiled again."""
        jobs = {}
        for target in debian_build.TARGETS:
            for source in self.sources():
                needs, _ = self.built.get((target, source), (None, None))
                if not needs or any(self.hash(name) != known for name, known in needs.items()):
                    jobs[target, source] = pool.submit(self.compile, target, source)
        self.built |= {key: job.result() for key, job in jobs.items()}
        return {target: [self.built[target, source][1] for source in self.sources()] for target in debian_build.TARGETS}


def make(library, fix, before, after, patches):
    folder, work = FOLDER / f"{library.name}-{fix}", library.objects / "link"
    shutil.rmtree(folder, ignore_errors=True)
    for made in (folder, work):
        made.mkdir(parents=True, exist_ok=True)
    truth, wanted = {}, re.compile(library.recipe.get("exports", "."))
    for target in debian_build.TARGETS:
        pair = before[target], after[target]
        truth[target] = objects.difference(*[[one for _, one in built] for built in pair])
        common = set.intersection(*[{name for _, one in built for name in one.defined if name in one.functions}
                                    for built in pair])
        exports = sorted(name for name in common if wanted.search(name))
        # The fixed one a second time, its objects linked in the opposite order.
        for built, name in zip((*pair, pair[1][::-1]), ("baseline", "fixed", "reordered")):
            debian_build.link(target, built, exports, folder / f"{name}.{target}.dll", work,
                              library.recipe.get("libraries", "").split())
    for patch in patches:
        shutil.copy(library.tree / "debian" / "patches" / patch, folder)
    about = {"id": folder.name, "library": library.name, "version": library.dsc.stem.split("_", 1)[1], "fix": fix,
             "truth": truth}
    (folder / "truth.json").write_text(json.dumps(about, indent=1) + "\n")
    counts = [f"{target} {len(one['f_changed'])} changed, {len(one['f_new'])} new, {len(one['d_changed'])} data"
              for target, one in truth.items()]
    print(f"{folder.name}: {'; '.join(counts)}", flush=True)


def main():
    recipes = configparser.ConfigParser(delimiters="=", comment_prefixes=";", interpolation=None)
    recipes.optionxform = str
    recipes.read(LIST)
    apt = debian_fetch.Apt(SOURCES, {suite for name in recipes.sections()
                                     for suite in recipes[name]["source"].split()[1:]})
    faults = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name in recipes.sections():
            if CHOSEN and name not in CHOSEN:
                continue
            try:
                library = Library(name, recipes, apt)
                for at, fix, patches in library.fixes():
                    library.patch_up_to(at)
                    before = library.build(pool)
                    library.patch_up_to(at + len(patches))
                    make(library, fix, before, library.build(pool), patches)
            except (RuntimeError, ValueError, OSError) as error:
                faults += 1
                print(f"FAULT: {name}: {str(error)[:3000]}", flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
