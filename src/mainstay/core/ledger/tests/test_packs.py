"""An exported pack convinces the offline verifier, and one changed byte does not."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from mainstay.core.ledger import packs, queries
from mainstay.core.ledger import services as ledger
from mainstay.core.ledger.tests.conftest import LogUnderTest
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.kernel.errors import Invalid, NotFound
from mainstay_trust.notes import COSIGNER_KEY, Vkey, cosign, parse_note


def exported(log: LogUnderTest, **range_: int) -> tuple[bytes, packs.PackSummary]:
    file = io.BytesIO()
    with tenant_transaction(log.tenant):
        summary = packs.export_pack(log.tenant, file, **range_)
    return file.getvalue(), summary


def judged(log: LogUnderTest, data: bytes) -> tuple[int, dict[str, object]]:
    """Run the auditor's program with the auditor's own policy."""
    with tenant_transaction(log.tenant):
        [key] = queries.log_vkeys(log.tenant)
    (log.folder / "pack.zip").write_bytes(data)
    (log.folder / "policy.txt").write_text(f"log {key.vkey}\nquorum none\n")
    argv = [sys.executable, "-m", "mainstay_verify", "pack", "pack.zip", "--policy", "policy.txt", "--json"]
    source = str(Path(__file__).parents[4])
    done = subprocess.run(argv, cwd=log.folder, env={"PYTHONPATH": source}, capture_output=True, timeout=60, check=False)
    return done.returncode, json.loads(done.stdout)


def test_a_whole_log_passes_the_offline_verifier(log: LogUnderTest) -> None:
    log.record(300, note="x")
    log.sequence()
    with tenant_transaction(log.tenant):
        ledger.record(log.actor, "access.session.opened", "9", clock=log.clock, body={"ip": ledger.erasable("203.0.113.9")})
    log.sequence()

    data, summary = exported(log)

    assert (summary.begin, summary.end, summary.size, summary.bodies, summary.gone) == (0, 301, 301, 302, 0)
    code, verdict = judged(log, data)
    assert (code, verdict["verdict"]) == (0, "verified")


def test_a_range_of_a_log_passes_with_the_edges_around_it(log: LogUnderTest) -> None:
    log.record(400)
    log.sequence()
    log.record(100)
    log.sequence()

    data, summary = exported(log, begin=150, end=420)

    assert (summary.begin, summary.end, summary.size) == (150, 420, 500)
    assert judged(log, data)[0] == 0


def test_equal_content_gives_equal_bytes(log: LogUnderTest) -> None:
    log.record(3)
    log.sequence()

    assert exported(log)[0] == exported(log)[0]


def test_one_changed_byte_is_found_and_its_entry_named(log: LogUnderTest) -> None:
    log.record(20)
    log.sequence()
    data, _ = exported(log)
    at = data.index(b'"seq":7,')
    changed = data[:at].rfind(b'"out":"ok"')
    data = rezipped(data, data[changed : changed + 40], data[changed : changed + 40].replace(b"ok", b"no"))

    code, verdict = judged(log, data)

    assert code == 1
    assert 7 in [finding["index"] for finding in verdict["findings"]]


def rezipped(data: bytes, old: bytes, new: bytes) -> bytes:
    """Change bytes inside a pack and mend the container, as a forger would."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as target:
        for info in source.infolist():
            target.writestr(info, source.read(info).replace(old, new))
    return out.getvalue()


def test_cosignatures_travel_with_the_checkpoint(log: LogUnderTest) -> None:
    log.record(2)
    log.sequence()
    key = SigningKey(b"w" * 32)
    vkey = Vkey("agent-1", COSIGNER_KEY, bytes(key.verify_key))
    with tenant_transaction(log.tenant):
        head = queries.checkpoint(log.tenant)
        assert head is not None
        line = str(cosign(parse_note(head.note).text, vkey, lambda message: bytes(key.sign(message).signature), at=1_769_936_400))
        ledger.keep_cosignature(tenant=log.tenant, line=line, vkey=vkey, checkpoint_size=2, clock=log.clock)

    data, _ = exported(log)

    with zipfile.ZipFile(io.BytesIO(data)) as pack:
        assert pack.read("checkpoint.txt").decode().endswith(f"{line}\n")
        assert f"witness agent-1 {vkey}\n" in pack.read("policy.txt").decode()
    assert judged(log, data)[0] == 0


@pytest.mark.parametrize("span", [{"begin": 3}, {"begin": 1, "end": 9}, {"begin": -1}])
def test_a_range_outside_the_log_is_refused(log: LogUnderTest, span) -> None:
    log.record(3)
    log.sequence()

    with pytest.raises(Invalid):
        exported(log, **span)


def test_a_log_without_a_checkpoint_cannot_be_exported(log: LogUnderTest) -> None:
    with pytest.raises(NotFound):
        exported(log)
