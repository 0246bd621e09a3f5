"""The main journey on the real machine: a watched service is killed, and everything up to the evidence follows without a hand.

Real processes, real keys, a real ceremony. Run as root it uses the root helper, as an ordinary user it is skipped: without
a helper nothing above observation runs, which `test_observe.py` shows.
"""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.installation import Installation, Service, make_installation, remove_installation, wait_for

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(os.geteuid() != 0, reason="the root helper of this machine can be started by root only"),
]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    folder = Path(f"/tmp/mainstay-journey-service-{os.getpid()}")
    service = Service(folder, "journeyd")
    service.start()
    yield service
    if service.is_running():
        subprocess.run(service.argv("stop"), check=False, timeout=20)


@pytest.fixture(scope="module")
def mainstay(service: Service) -> Iterator[Installation]:
    installation = make_installation("mainstay-journey")
    installation.start()
    printed = installation.trust_init([service])
    assert "reduced assurance" in printed
    assert "theft of this server can at worst" in printed
    yield installation
    remove_installation(installation)


def incident_about(mainstay: Installation, unit: str, known: set[str]) -> dict[str, Any] | None:
    """Return an incident about a unit that was not there before."""
    for row in mainstay.items("incidents"):
        if unit in row["title"] and row["id"] not in known:
            return row
    return None


def known_incidents(mainstay: Installation) -> set[str]:
    return {row["id"] for row in mainstay.items("incidents")}


def test_a_killed_service_is_repaired_verified_and_proven(mainstay: Installation, service: Service, tmp_path: Path) -> None:
    known = known_incidents(mainstay)
    died = service.kill()

    incident = wait_for(lambda: incident_about(mainstay, service.name, known), timeout_s=30, what="an incident about the service")
    resolved = wait_for(
        lambda: next((row for row in mainstay.items("incidents") if row["id"] == incident["id"] and row["status"] == "resolved"), None),
        timeout_s=60,
        what=f"its resolution; worker: {mainstay.process_log('worker')}",
    )

    assert service.is_running()
    assert int((service.folder / "service.pid").read_text()) != died
    assert resolved["resolution"] == "healed"
    runs = [row for row in mainstay.items("runs") if row["subject"] == service.name]
    assert runs[0]["state"] == "succeeded"

    pack = tmp_path / "evidence.zip"
    mainstay.run("ledger", "export", str(pack))
    verified = verify(pack)
    assert verified.returncode in (0, 3), verified.stdout + verified.stderr  # 3: verified, but nobody outside named the keys
    assert {"desk.incident.opened", "automation.command.issued", "automation.result.recorded", "automation.run.succeeded"} <= acts_of(pack)


def test_one_changed_byte_fails_the_verification_and_names_the_entry(mainstay: Installation, tmp_path: Path) -> None:
    pack, forged = tmp_path / "evidence.zip", tmp_path / "forged.zip"
    mainstay.run("ledger", "export", str(pack))

    name = flip_one_byte_of_a_body(pack, forged)
    verified = verify(forged)

    assert verified.returncode == 1, verified.stdout + verified.stderr
    assert str(int(Path(name).stem)) in verified.stdout + verified.stderr


def verify(pack: Path) -> "subprocess.CompletedProcess[str]":
    """Run the auditor's one file, in isolated mode: it must need nothing of ours."""
    program = Path(__file__).parents[2] / "src" / "mainstay_verify" / "mainstay_verify.py"
    return subprocess.run([sys.executable, "-I", str(program), "pack", str(pack)], capture_output=True, text=True, timeout=120, check=False)


def acts_of(pack: Path) -> set[str]:
    """Return the acts in the leaves of a pack, read without our own code."""
    acts = set()
    with zipfile.ZipFile(pack) as archive:
        for name in archive.namelist():
            if not name.startswith("leaves/"):
                continue
            data = archive.read(name)
            at = 0
            while at < len(data):
                size = int.from_bytes(data[at : at + 2], "big")
                acts.add(json.loads(data[at + 2 : at + 2 + size])["act"])
                at += 2 + size
    return acts


def flip_one_byte_of_a_body(pack: Path, forged: Path) -> str:
    """Copy a pack with one letter of one disclosed body changed; return the name of that body."""
    with zipfile.ZipFile(pack) as source, zipfile.ZipFile(forged, "w", zipfile.ZIP_STORED) as target:
        changed = next(name for name in source.namelist() if name.startswith("bodies/") and b"payload_sha256" in source.read(name))
        for info in source.infolist():
            data = source.read(info)
            if info.filename == changed:
                data = data.replace(b"payload_sha256", b"payload_sha257", 1)
            target.writestr(info, data)
    return changed
