"""What `mainstay doctor` says of the application: each state with its cause and what to do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from tests.support.cast import make_cast

from mainstay.console import health, health_lines
from mainstay.core.access import tls
from mainstay.core.ledger import queries as ledger
from mainstay.core.tenancy.binding import bind
from mainstay.domains.estate import services as estate
from mainstay.domains.telemetry.models import IntakeHealth
from mainstay.engines.backup.record import remember
from mainstay.engines.layout import Layout
from mainstay.kernel.clock import FixedClock

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("skew", "offsets", "state", "cause"),
    [
        (0.0, [], "ok", "the database and 0 devices agree within 2 s"),
        (3.0, [], "fail", "the database's clock differs by 3.0 s"),
        (0.0, [100, -200], "ok", "the database and 2 devices agree within 2 s"),
        (0.0, [100, 9000], "warn", "the clocks of 1 devices differ by more than 2 s"),
        (0.0, [8000, 9000, 9500], "fail", "3 devices differ from this server by 9.0 s in the median"),
    ],
)
def test_when_most_devices_disagree_it_is_the_server_that_is_wrong(skew: float, offsets: list[int], state: str, cause: str) -> None:
    line = health_lines.clock(skew, offsets)

    assert (line.state, line.cause) == (state, cause)


@pytest.mark.parametrize(("version", "state"), [("2026a", "ok"), ("2025b", "ok"), ("2024b", "warn")])
def test_zone_data_is_judged_by_the_year_of_its_version(tmp_path: Path, version: str, state: str) -> None:
    file = tmp_path / "tzdata.zi"
    file.write_text(f"# version {version}\n")

    assert health_lines.zone_data(NOW, (tmp_path / "none", file)).state == state


def test_zone_data_of_an_unknown_age_is_not_called_well(tmp_path: Path) -> None:
    assert health_lines.zone_data(NOW, (tmp_path / "none",)).state == "warn"


@pytest.mark.parametrize(
    ("later", "states"), [(timedelta(0), ["ok", "ok"]), (timedelta(days=61), ["warn", "ok"]), (timedelta(days=91), ["fail", "ok"])]
)
def test_a_certificate_is_named_a_month_before_it_expires(tmp_path: Path, later: timedelta, states: list[str]) -> None:
    tls.ensure_authority(tmp_path, names=["box"], clock=FixedClock(NOW))

    assert [line.state for line in health_lines.certificates(tmp_path, NOW + later)] == states


def test_a_key_that_others_may_read_is_a_failure(tmp_path: Path) -> None:
    tls.ensure_authority(tmp_path, names=[], clock=FixedClock(NOW))
    (tmp_path / "server.key").chmod(0o644)

    assert [(line.name, line.state) for line in health_lines.certificates(tmp_path, NOW)][-1] == ("TLS keys", "fail")


def test_refusals_are_listed_with_the_most_telling_first() -> None:
    line = health_lines.refused_agents({"zzz": 1, "too_large": 2, "clone_suspected": 1})

    assert line.state == "warn"
    assert line.cause == "refused in the last 24 hours: clone_suspected 1, too_large 2, zzz 1; a device's key was used twice"
    assert health_lines.refused_agents({}).state == "ok"


def test_a_backup_is_judged_by_what_was_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAINSTAY_DATA", str(tmp_path))
    layout = Layout.from_environment()
    assert health_lines.self_backup(layout, NOW).state == "warn"

    remember(layout, made_at=(NOW - timedelta(hours=1)).isoformat(), size_bytes=1)
    assert health_lines.self_backup(layout, NOW).cause == "the last backup is 1 h old and was never restored"
    remember(layout, restored_at=NOW.isoformat())

    assert health_lines.self_backup(layout, NOW).state == "ok"
    assert health_lines.self_backup(layout, NOW + timedelta(days=2)).state == "warn"


@pytest.mark.django_db
def test_the_application_names_its_wall_its_spools_and_its_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAINSTAY_DATA", str(tmp_path))
    clock = FixedClock()
    cast = make_cast(clock)
    bind(cast.harbor.id)
    estate.count_refusal("bad_signature", clock=clock)
    IntakeHealth.objects.create(spool="web/0", at=clock.now(), fill_pct=81.0, waiting_rows=5, quarantined=0)
    IntakeHealth.objects.create(spool="web/1", at=clock.now(), fill_pct=1.0, waiting_rows=0, quarantined=3, quarantine_reason="Code: 117")

    found = {line.name: line for line in health_lines.lines(cast.tara.in_(cast.harbor), Layout.from_environment(), clock.now())}

    assert found["isolation"].state == "ok", found["isolation"].cause
    assert (found["intake web/0"].state, found["intake web/0"].cause) == ("warn", "the spool is 81 % full")
    assert (found["intake web/1"].state, found["intake web/1"].cause) == (
        "fail",
        "3 records could not be stored and were set aside: Code: 117",
    )
    assert found["agents"].state == "warn"
    assert "server.pem" not in found


ELM = UUID(int=1)


def logs_with(**changes: object) -> ledger.Estate:
    quiet = ledger.Estate(
        logs=3, closed=(), unsequenced={}, checked=3, check_overdue=0, leaves=900, bodies=40, oldest_check_at=NOW - timedelta(minutes=50)
    )
    return replace(quiet, **changes)  # type: ignore[arg-type] # any member


@pytest.mark.parametrize(
    ("judged", "changes", "state", "cause"),
    [
        ("closed", {}, "ok", "3 logs are open"),
        (
            "closed",
            {"closed": (ledger.ClosedLog(ELM, "log/1", "root_differs at 7: the leaves do not give the root"),)},
            "fail",
            "1 of 3 logs are closed for writing: elm: root_differs at 7: the leaves do not give the root",
        ),
        ("unsequenced", {}, "ok", "no entry has waited longer than 60 s for its leaf"),
        ("unsequenced", {"unsequenced": {ELM: 2}}, "fail", "entries that have waited longer than 60 s for their leaf: elm 2"),
        ("checks", {}, "ok", "900 leaves of 3 logs recomputed, 40 bodies opened, the oldest 50 min ago"),
        ("checks", {"check_overdue": 2}, "warn", "2 of 3 logs were not recomputed for three hours"),
        ("checks", {"oldest_check_at": None, "checked": 0}, "ok", "the first hourly self-check of the logs has not ended yet"),
    ],
)
def test_logs_that_cannot_be_written_and_leaves_that_are_late_are_named(
    judged: str, changes: dict[str, object], state: str, cause: str
) -> None:
    logs = logs_with(**changes)
    line = {
        "closed": lambda: health.closed_logs(logs, lambda _: "elm"),
        "unsequenced": lambda: health.unsequenced_entries(logs, lambda _: "elm"),
        "checks": lambda: health.self_checks(logs, NOW),
    }[judged]()

    assert (line.state, line.cause) == (state, cause)
