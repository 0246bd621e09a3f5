"""The System Audit of a fresh machine: there by itself, complete when the sweeps are, written in every form, and proven by an outsider."""

import csv
import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any  # reports and rows, as JSON

import pytest

from mainstay_trust import canonical
from tests.support.installation import Installation, make_installation, remove_installation, wait_for

pytestmark = pytest.mark.journey

FIRST_S, COMPLETE_S, SEALED_S = 60, 600, 60
INTACT = (0, 3)  # 3: intact, and vouched for by this server's own keys alone


@dataclass(frozen=True)
class Forms:
    """One audit in all its forms, with a pack of the ledger that holds it."""

    report: Path
    findings: Path
    pdf: Path
    pack: Path

    @property
    def document(self) -> dict[str, Any]:
        return json.loads(self.report.read_bytes())


@pytest.fixture(scope="module")
def machine() -> Iterator[Installation]:
    installation = make_installation("mainstay-audit")
    try:
        installation.start()
        yield installation
    finally:
        remove_installation(installation)


@pytest.fixture(scope="module")
def forms(machine: Installation) -> Forms:
    folder = machine.root
    made = Forms(folder / "report.json", folder / "findings.csv", folder / "report.pdf", folder / "pack.zip")
    wait_for(lambda: by_trigger(machine).get("enrolled"), timeout_s=FIRST_S, what="the first audit")
    said = machine.run("audit", "run", "--json", "--csv", str(made.findings), "--pdf", str(folder / "downloaded.pdf"))
    made.report.write_text(said.stdout)  # as a shell writes it into a file
    machine.run("audit", "render", made.document["run"], str(made.pdf))
    assert (folder / "downloaded.pdf").read_bytes() == made.pdf.read_bytes()
    numbers = count(1)

    def sealed() -> Path | None:
        pack = folder / f"pack-{next(numbers)}.zip"
        machine.run("ledger", "export", str(pack))
        return pack if verify(made.report, pack, made.pdf)[0] in INTACT else None

    wait_for(sealed, timeout_s=SEALED_S, every_s=1, what="a pack that proves the audit").rename(made.pack)
    return made


def by_trigger(machine: Installation) -> dict[str, dict[str, Any]]:
    """Return the newest audit of each trigger."""
    return {str(one["trigger"]): one for one in reversed(machine.items("audit", "list"))}


def verify(report: Path, pack: Path, pdf: Path | None) -> tuple[int, dict[str, Any]]:
    argv = [sys.executable, "-m", "mainstay_verify.mainstay_verify", "audit", str(report), "--pack", str(pack), "--json"]
    done = subprocess.run([*argv, *(["--pdf", str(pdf)] if pdf else [])], capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)


def with_one_byte_changed(file: Path, at: int) -> Path:
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    changed = file.with_name(f"changed-{file.name}")
    changed.write_bytes(data)
    return changed


def test_the_audit_of_a_fresh_machine_is_there_by_itself(forms: Forms, machine: Installation) -> None:
    first = by_trigger(machine)["enrolled"]

    assert (first["kind"], first["devices"]) == ("device", 1)
    assert first["findings"] > 0


def test_every_form_shows_the_same_findings(forms: Forms, machine: Installation) -> None:
    document = forms.document
    rows = list(csv.DictReader(io.StringIO(forms.findings.read_text("utf-8-sig"))))
    listed = next(one for one in machine.items("audit", "list") if one["id"] == document["run"])

    assert canonical.encode(document) == forms.report.read_bytes()
    assert listed["sha256"] == hashlib.sha256(forms.report.read_bytes()).hexdigest()
    assert len(rows) == len(document["findings"]) == listed["findings"]
    assert forms.pdf.read_bytes() == (machine.root / "downloaded.pdf").read_bytes()
    assert machine.run("audit", "render", document["run"], str(forms.pdf), "--check").stdout.startswith("The same bytes")


def test_an_outsider_proves_report_findings_and_pdf(forms: Forms) -> None:
    code, judged = verify(forms.report, forms.pack, forms.pdf)

    assert code in INTACT, judged
    assert judged["findings_proven"] == len(forms.document["findings"])
    assert judged["rendered"] > judged["issued"]


@pytest.mark.parametrize("name", ["report", "pdf"])
def test_one_changed_byte_is_seen(forms: Forms, name: str) -> None:
    report, pdf = forms.report, forms.pdf
    if name == "report":
        report = with_one_byte_changed(report, report.read_bytes().index(b'"seen":"') + len(b'"seen":"'))
    else:
        pdf = with_one_byte_changed(pdf, pdf.stat().st_size // 2)

    assert verify(report, forms.pack, pdf)[0] not in INTACT


def test_a_second_audit_follows_when_the_sweeps_are_done(forms: Forms, machine: Installation) -> None:
    def complete() -> dict[str, Any] | None:
        run = by_trigger(machine).get("completed")
        report = json.loads(machine.run("do", "assurance", "audit", "read", f"audit_id={run['id']}").stdout) if run else None
        return report if report and "running" not in {one["reason"] for one in report["not_looked_at"]} else None

    report = wait_for(complete, timeout_s=COMPLETE_S, every_s=2, what="an audit without a sweep that runs")

    assert report["changes"]["against"] is not None
    assert report["answer"]["coverage"]["pct"] >= 80
