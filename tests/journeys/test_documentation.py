"""Every command of the documentation runs as it stands there, and the list of settings is the program's own."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mainstay.engines.settings import SETTINGS
from tests.support.installation import PASSPHRASE, Installation, make_installation, remove_installation

pytestmark = pytest.mark.journey

ROOT = Path(__file__).parents[2]
# In the order of a person who reads all of it; the last one stops the installation.
PAGES = (
    "install",
    "add-a-machine",
    "trust",
    "system-audit",
    "back-up-and-restore",
    "external-engines",
    "doctor",
    "configuration-as-code",
    "upgrade",
)
# What a reader types and this test does not, each with the test that does.
ELSEWHERE = {
    "make up": "CI runs it through the same entry point; the tests of journeys start what it starts",
    "mainstay up --lan": "tests/journeys/test_lan.py",
    "mainstay db provision postgresql://postgres:PASSWORD@db.example.net/postgres": "tests/engines/test_provision.py",
}
MAY_FAIL = {"doctor": (0, 8)}  # 8: a check fails on this machine, which is what the command is for


@dataclass(frozen=True)
class Command:
    page: str
    text: str


def commands(page: str) -> list[Command]:
    text = (ROOT / "docs" / "admin" / f"{page}.md").read_text()
    blocks = re.findall(r"^ *```console\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [Command(page, line.removeprefix("$ ")) for line in lines if line.startswith("$ ")]


@pytest.fixture(scope="module")
def mainstay() -> Iterator[Installation]:
    installation = make_installation("mainstay-documentation")
    for folder in ("srv/backups", "srv/evidence", "srv/audit", "etc/mainstay", "media/keys"):
        (installation.root / folder).mkdir(parents=True)
    for name in ("etc/mainstay/backup-passphrase", "media/keys/passphrase"):
        (installation.root / name).write_text(PASSPHRASE + "\n")
        (installation.root / name).chmod(0o600)
    try:
        installation.start()
        yield installation
    finally:
        remove_installation(installation)


def test_every_page_for_administrators_is_in_this_test() -> None:
    assert sorted(PAGES) == sorted(path.stem for path in (ROOT / "docs" / "admin").glob("*.md"))


def test_every_setting_is_documented_in_the_words_of_the_program() -> None:
    text = (ROOT / "docs" / "admin" / "install.md").read_text()
    rows = re.findall(r"^\| `([a-z_.]+)` \| `([A-Z_]+)` \| (.+) \|$", text, re.MULTILINE)
    assert rows == [(setting.key, setting.variable, setting.help) for setting in SETTINGS]


def test_every_link_of_the_documentation_leads_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            if not target.startswith(("http://", "https://")):
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def test_every_file_that_the_pages_for_developers_name_exists() -> None:
    for page in (ROOT / "docs" / "dev").glob("*.md"):
        for name in re.findall(r"`((?:mainstay|tests|config|kernel|core|flows)[\w/]*/[\w/.]+)`", page.read_text()):
            places = [ROOT / "src" / name, ROOT / "src" / "mainstay" / name, ROOT / name]
            assert any(place.exists() for place in places), f"{page.name} names {name}"


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run_as_they_stand_there(page: str, mainstay: Installation) -> None:
    found = commands(page)
    assert found, f"{page} shows no command"
    for command in found:
        if command.text not in ELSEWHERE:
            run(command, mainstay)


def run(command: Command, mainstay: Installation) -> None:
    """Run one line. Its absolute paths lead into the test's own folder."""
    words = [
        re.sub(r"^(MAINSTAY_DATA=)?(/srv/|/etc/mainstay/|/media/keys/)", rf"\1{mainstay.root}\2", word)
        for word in shlex.split(command.text)
    ]
    environ = dict(mainstay.environ)
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        environ[name] = value
    assert words[0] == "mainstay", f"{command.page} shows {command.text!r}, which this test neither runs nor names a test for"
    done = subprocess.run(
        [sys.executable, "-m", "mainstay.cli", *words[1:]], env=environ, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode in MAY_FAIL.get(words[1], (0,)), f"{command.text}: {done.stdout[-1500:]}{done.stderr[-1500:]}"
    if words[1] == "down":
        mainstay.up = None
        mainstay.start()
