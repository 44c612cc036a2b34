"""Debian's source packages by apt-get, from where this machine gets its packages, with lists and caches of its own."""
import pathlib
import re
import subprocess

KEYS = pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class Apt:
    """`folder` gets apt's state and a folder for each package."""

    def __init__(self, folder, suites):
        self.folder, state = folder, folder / "apt"
        self.options = {"Dir::Etc::sourcelist": state / "sources.list", "Dir::Etc::sourceparts": "-",
                        "Dir::State::lists": state / "lists", "Dir::State::status": state / "status",
                        "Dir::Cache": state / "cache", "APT::Sandbox::User": "root"}
        for part in ("lists/partial", "cache/archives/partial"):
            (state / part).mkdir(parents=True, exist_ok=True)
        (state / "status").touch()
        text = self.sources(suites)
        list_file = state / "sources.list"
        if not list_file.exists() or list_file.read_text() != text:
            list_file.write_text(text)
            self.get("update")

    @staticmethod
    def sources(suites):
        mirrors = {}  # for security updates or not
        targets = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE)"], capture_output=True,
                                 text=True, check=True).stdout
        for site, release in (line.split() for line in targets.splitlines()):
            if re.fullmatch(r"[a-z]+(-security)?", release) and site.endswith(("/debian", "/debian-security")):
                mirrors[release.endswith("-security")] = site
        trusted = f"[signed-by={KEYS}] " if KEYS.exists() else ""
        return "".join(f"deb-src {trusted}{mirrors[suite.endswith('-security')]} {suite} main\n"
                       for suite in sorted(suites))

    def get(self, *arguments, cwd=None):
        options = [part for name, value in self.options.items() for part in ("-o", f"{name}={value}")]
        done = subprocess.run(["apt-get", *options, "-qq", *arguments], cwd=cwd, capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            raise RuntimeError(f"apt-get {' '.join(arguments)}: {done.stderr}")

    def fetch(self, package, suites):
        """The .dsc of the package, from the first suite that has all of it."""
        folder = self.folder / package
        folder.mkdir(exist_ok=True)
        error = "no suite is named"
        for suite in [None, *suites]:
            try:
                if suite:
                    self.get("source", "--download-only", f"{package}/{suite}", cwd=folder)
            except RuntimeError as one:
                error = one
                for part in folder.iterdir():
                    part.unlink()
            if found := sorted(folder.glob("*.dsc")):
                return found[0]
        raise RuntimeError(f"{package} cannot be fetched: {error}")
