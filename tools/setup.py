"""Make a clone ready: virtual environment, locked dependencies, the project itself, front-end files. Standard library only.

Owns: `.venv` and its stamps. Invariant: everything is installed from the hash-locked lists; what is current is not touched.
Usage: python tools/setup.py [--dev]
"""

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
REQUIREMENTS = ROOT / "requirements"


def main() -> int:
    """Bring the clone to the state that its files ask for. Exit 1 with cause and remedy when that fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dev", action="store_true", help="also what tests and checks need")
    arguments = parser.parse_args()
    if sys.version_info < (3, 11):  # noqa: UP036 - an older interpreter may well start this file, and should be told
        return fail(
            f"Python {platform.python_version()} is too old", "install Python 3.11 or newer, or name one: make PYTHON=python3.12 up"
        )
    try:
        make_environment()
        install_list("runtime")
        if arguments.dev:
            install_list("dev")
        install_project()
        compile_sources()
        fetch_front_end()
        if arguments.dev:
            ensure_chromium()
    except subprocess.CalledProcessError as problem:
        return fail(
            f"{' '.join(map(str, problem.cmd))} ended with code {problem.returncode}", "read the lines above; a first run needs a network"
        )
    return 0


def make_environment() -> None:
    """Make `.venv`, and again when its interpreter is gone (a clone that was moved, a Python that was upgraded)."""
    if PYTHON.exists() and subprocess.run([PYTHON, "-c", ""], check=False, capture_output=True).returncode == 0:
        return
    say("making the virtual environment .venv")
    venv.EnvBuilder(with_pip=True, clear=True, symlinks=True).create(VENV)


def install_list(name: str) -> None:
    """Install a hash-locked list, unless exactly this list was installed here before."""
    lock = REQUIREMENTS / f"{name}.txt"
    if is_current(name, [lock]):
        return
    say(f"installing the locked {name} list")
    pip("install", "--require-hashes", "--only-binary", ":all:", "-r", str(lock))
    remember(name, [lock])


def install_project() -> None:
    """Install the project in place. Its build tool comes from the locked list: nothing else is fetched for it."""
    sources = [ROOT / "pyproject.toml"]
    if is_current("project", sources):
        return
    say("installing the project in place")
    pip("install", "--no-deps", "--no-build-isolation", "-e", str(ROOT))
    remember("project", sources)


def compile_sources() -> None:
    """Compile our own modules once, here: the processes run as users who may not write into the clone, and would do it at each start."""
    subprocess.run([PYTHON, "-m", "compileall", "-q", ROOT / "src"], check=True)


def fetch_front_end() -> None:
    """Fetch the front-end files by package-lock.json, with the machine's npm or the one of the node list."""
    if not (ROOT / "package-lock.json").exists():
        return
    vendor = ROOT / "src" / "mainstay" / "ui" / "static" / "vendor"
    sources = [ROOT / name for name in ("package.json", "package-lock.json", "tools/frontend.py")]
    if vendor.is_dir() and is_current("front-end", sources):
        return
    if shutil.which("npm") is None:
        install_list("node")
    say("fetching the front-end files")
    subprocess.run([PYTHON, ROOT / "tools" / "frontend.py"], check=True)
    remember("front-end", sources)


def ensure_chromium() -> None:
    """Install Debian's chromium where that is possible; otherwise tests of the pages skip and say so."""
    if shutil.which("chromium"):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        say("no chromium here, and it cannot be installed (not root, or no apt-get): tests of the pages will skip")
        return
    say("installing chromium for the tests of the pages")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"]):
        if subprocess.run(command, env=environment, check=False, stdout=subprocess.DEVNULL, timeout=900).returncode != 0:
            say(f"{' '.join(command)} failed: tests of the pages will skip")
            return


def is_current(name: str, sources: Sequence[Path]) -> bool:
    stamp = stamp_of(name)
    return stamp.exists() and stamp.read_text() == digest(sources)


def remember(name: str, sources: Sequence[Path]) -> None:
    stamp_of(name).write_text(digest(sources))


def stamp_of(name: str) -> Path:
    # Inside the environment: whoever removes it removes the claim as well.
    return VENV / f".mainstay-{name}"


def digest(sources: Sequence[Path]) -> str:
    """Return what a stamp says: the interpreter, the place of the clone, and every byte of the sources."""
    seen = hashlib.sha256(f"{platform.python_version()} {ROOT}".encode())
    for path in sources:
        seen.update(path.read_bytes())
    return seen.hexdigest()


def pip(*arguments: str) -> None:
    subprocess.run([PYTHON, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments], check=True)


def say(text: str) -> None:
    print(f"  {text}", flush=True)


def fail(cause: str, remedy: str) -> int:
    print(f"setup: {cause}\n  {remedy}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
