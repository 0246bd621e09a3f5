"""A disk that is really full: what was acknowledged stays, what was not is refused with a sentence, and space brings everything back."""

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from mainstay.domains.telemetry.models.columns import Table
from mainstay.domains.telemetry.services.spool import Position, Record, Spool
from mainstay.kernel.errors import Unavailable

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a disk of its own can be mounted by root only")

PAYLOAD = b"x" * 64 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_refuses_with_a_sentence_and_keeps_what_was_acknowledged(small_disk: Path) -> None:
    spool = Spool(small_disk / "spool")
    spool.start()
    taken = fill(spool)
    with pytest.raises(Unavailable) as refused:
        submit(spool).result(timeout=10)

    assert (refused.value.code, refused.value.retryable) == ("telemetry.spool_unwritable", True)
    assert "Free some disk space" in refused.value.message
    assert 0 < taken < 100
    assert len(list(spool.read(Position(1, 0), spool.durable))) == taken

    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    assert submit(spool).result(timeout=10) > 0
    spool.close()


def fill(spool: Spool) -> int:
    """Submit until the disk is full; return how many records were acknowledged."""
    for taken in range(100):
        if submit(spool).exception(timeout=10) is not None:
            return taken
    raise AssertionError("a disk of 2 MiB took 100 records of 64 KiB")


def submit(spool: Spool) -> "Future[int]":
    return spool.submit([Record(Table.LOGS, 1, PAYLOAD)])
