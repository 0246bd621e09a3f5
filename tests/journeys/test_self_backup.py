"""A backup of the installation comes back on an empty place, with everything in it; a bad one leaves nothing behind."""

import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.support.installation import PASSPHRASE, Installation, make_installation, remove_installation, wait_for

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def source() -> Iterator[Installation]:
    installation = make_installation("mainstay-source")
    try:
        installation.start()
        wait_for(lambda: installation.items("devices") or None, timeout_s=60, what="this machine among the devices")
        yield installation
    finally:
        remove_installation(installation)


@pytest.fixture(scope="module")
def passphrase_file(source: Installation) -> Path:
    file = source.root / "backup-passphrase"
    file.write_text(PASSPHRASE + "\n")
    return file


@pytest.fixture(scope="module")
def backup(source: Installation, passphrase_file: Path) -> Path:
    numbers = count(1)

    def with_telemetry() -> Path | None:
        file = source.root / f"mainstay-{next(numbers)}.backup"
        said = source.json("backup", "self", str(file), "--passphrase-file", str(passphrase_file))
        assert said["rows"] > 0
        assert said["bytes"] == file.stat().st_size
        return file if said["telemetry_rows"] else None

    return wait_for(with_telemetry, timeout_s=60, every_s=2, what="a backup with samples in it")


@pytest.fixture
def target() -> Iterator[Installation]:
    installation = make_installation("mainstay-target")
    # Its own agent would join as a new device: what is compared is what was in the file.
    installation.data.mkdir()
    (installation.data / "mainstay.toml").write_text("[agent]\nenabled = false\n")
    try:
        yield installation
    finally:
        remove_installation(installation)


def test_what_was_backed_up_comes_back_and_its_ledger_verifies(
    source: Installation, backup: Path, passphrase_file: Path, target: Installation
) -> None:
    before = source.items("devices")

    said = target.json("restore", "self", str(backup), "--passphrase-file", str(passphrase_file))
    target.start()

    assert said["telemetry_rows"] > 0
    assert [(one["id"], one["name"]) for one in target.items("devices")] == [(one["id"], one["name"]) for one in before]
    target.run("ledger", "export", str(target.root / "pack.zip"))
    checked = subprocess.run(
        [sys.executable, "-m", "mainstay_verify.mainstay_verify", "pack", str(target.root / "pack.zip")], capture_output=True, check=False
    )
    assert checked.returncode in (0, 3), checked.stdout  # 3: intact, and vouched for by this server's own keys alone
    assert not (target.data / "restore-draft").exists()


def test_a_changed_file_restores_nothing_and_leaves_nothing(backup: Path, passphrase_file: Path, target: Installation) -> None:
    data = bytearray(backup.read_bytes())
    data[len(data) // 2] ^= 1
    changed = target.root / "changed.backup"
    changed.write_bytes(data)

    done = target.run("restore", "self", str(changed), "--passphrase-file", str(passphrase_file), check=False)

    assert done.returncode == 6
    assert "the file was changed" in done.stderr
    assert [path.name for path in target.data.iterdir()] == ["mainstay.toml"]


def test_a_place_that_holds_something_is_refused(source: Installation, backup: Path, passphrase_file: Path, target: Installation) -> None:
    (target.data / "postgres").mkdir()

    done = target.run("restore", "self", str(backup), "--passphrase-file", str(passphrase_file), check=False)

    assert done.returncode == 5
    assert "is not empty" in done.stderr
    again = source.run("backup", "self", str(backup), "--passphrase-file", str(passphrase_file), check=False)
    assert again.returncode == 5
