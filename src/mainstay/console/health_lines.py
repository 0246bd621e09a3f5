"""Checks of `mainstay doctor` that ask the application: the wall between tenants, clocks, certificates, what agents were refused, spools.

Owns: the questions and their words. Does not own: the order, the machine's own checks (engines.checks).
Invariant: what is not set up is not shown, and what cannot be known is never called well.
"""

import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from cryptography import x509
from django.db import connection

from mainstay.core.tenancy import wall
from mainstay.domains.estate import queries as estate
from mainstay.domains.telemetry import queries as telemetry
from mainstay.engines.backup.record import read_record
from mainstay.engines.layout import Layout
from mainstay.kernel.actors import Actor

TONES = {"ok": "ok", "warn": "warning", "fail": "critical"}
SKEW_S_MAX = 2.0
CERTIFICATE_LEFT = timedelta(days=30)
BACKUP_AGE_MAX = timedelta(hours=24)
REFUSED_WITHIN = timedelta(hours=24)
FILL_WARN_PCT, FILL_FAIL_PCT = 80, 95
_ZONES = (Path("/usr/share/zoneinfo/tzdata.zi"), Path("/usr/lib/zoneinfo/tzdata.zi"))


@dataclass(frozen=True)
class Line:
    """One check: its state, the cause, and what to do."""

    name: str
    state: str
    cause: str
    fix: str = ""

    @property
    def tone(self) -> str:
        return TONES[self.state]


def lines(actor: Actor, layout: Layout, now: datetime) -> Iterator[Line]:
    """Yield every check of this module that applies."""
    yield _isolation()
    yield _clock(actor, now)
    yield zone_data(now, _ZONES)
    yield from _intake(layout, now)
    yield _agents(now)
    yield from certificates(layout.tls, now) if layout.has_lan else ()
    yield self_backup(layout, now)


def _isolation() -> Line:
    faults = wall.findings()
    if faults:
        cause, _, fix = faults[0].partition(": ")
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        return Line("isolation", "fail", cause + more, fix or "restore the migrations' policies; no process starts until then")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p') AND relforcerowsecurity")
        (count,) = cursor.fetchone()
    return Line("isolation", "ok", f"{count} tables stand behind forced row-level security; the runtime role cannot pass it")


def _clock(actor: Actor, now: datetime) -> Line:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (database,) = cursor.fetchone()
    known = estate.devices(actor.readable).exclude(clock_offset_ms=None).values_list("clock_offset_ms", flat=True)
    offsets = [one for one in known if one is not None]
    return clock(abs((database - datetime.now(UTC)).total_seconds()), offsets)


def clock(database_skew_s: float, device_offsets_ms: list[int]) -> Line:
    """Judge this machine's clock by the database's and by the devices': when most of them disagree, the server is wrong."""
    if database_skew_s > SKEW_S_MAX:
        return Line(
            "clock", "fail", f"the database's clock differs by {database_skew_s:.1f} s", "switch time synchronisation on, on both machines"
        )
    common = abs(median(device_offsets_ms)) / 1000 if device_offsets_ms else 0.0
    if common > SKEW_S_MAX and len(device_offsets_ms) > 2:
        cause = f"{len(device_offsets_ms)} devices differ from this server by {common:.1f} s in the median"
        return Line("clock", "fail", cause, "switch time synchronisation on, on this server")
    apart = sum(abs(offset) > SKEW_S_MAX * 1000 for offset in device_offsets_ms)
    if apart:
        return Line(
            "clock",
            "warn",
            f"the clocks of {apart} devices differ by more than {SKEW_S_MAX:.0f} s",
            "see the alert 'Clock is wrong' of each",
        )
    return Line("clock", "ok", f"the database and {len(device_offsets_ms)} devices agree within {SKEW_S_MAX:.0f} s")


def zone_data(now: datetime, files: tuple[Path, ...]) -> Line:
    """Judge the age of the time zone data by the year in its version, which is the most favourable date it can have."""
    version = next((found for path in files if (found := _zone_version(path))), "")
    if not version:
        return Line("zone data", "warn", "the version of the time zone data is not known", "install the package tzdata")
    if now.year - int(version[:4]) > 1:
        return Line("zone data", "warn", f"the time zone data is {version}, more than a year old", "upgrade the package tzdata")
    return Line("zone data", "ok", f"time zone data {version}")


def _zone_version(path: Path) -> str:
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            words = file.readline().split()
    except OSError:
        return ""
    found = words[-1] if words else ""
    return found if found[:4].isdigit() else ""


def _intake(layout: Layout, now: datetime) -> Iterator[Line]:
    for one in telemetry.intake_health(at=now):
        name = f"intake {one.spool}"
        if one.quarantined:
            cause = f"{one.quarantined} records could not be stored and were set aside: {one.quarantine_reason}"
            yield Line(
                name, "fail", cause, f"read the .json beside each file in {layout.spool('') / one.spool / 'quarantine'}, then move it away"
            )
        elif one.away_since is not None:
            cause = f"the store of signals has not answered for {(now - one.away_since).total_seconds():.0f} s: {one.away_reason}"
            yield Line(name, "fail", cause, "nothing accepted is lost; the line telemetry names what to do")
        elif one.fill_pct >= FILL_WARN_PCT:
            state = "fail" if one.fill_pct >= FILL_FAIL_PCT else "warn"
            yield Line(
                name,
                state,
                f"the spool is {one.fill_pct:.0f} % full",
                "find out why the store of signals does not keep up: log/telemetry.log",
            )
        else:
            yield Line(name, "ok", f"the spool is {one.fill_pct:.0f} % full, {one.waiting_rows} rows wait")


_REFUSED: Mapping[str, tuple[str, str]] = {
    "clone_suspected": ("a device's key was used twice", "look at the quarantined device: revoke it, or end the quarantine"),
    "bad_signature": ("requests were wrongly signed", "enrol the agent again, unless somebody else is knocking"),
    "unknown_key": ("requests came from a key that no device has", "enrol the agent again, or stop it"),
    "replayed": ("old requests were sent again", "look for a proxy that repeats requests"),
    "clock_skew": ("a device's clock is wrong", "switch time synchronisation on, on the device"),
    "too_large": ("requests were larger than allowed", "look at the agent's version; it should send less at once"),
    "bad_request": ("requests were malformed", "look at the agent's version"),
    "bad_encoding": ("requests were malformed", "look at the agent's version"),
    "digest_mismatch": ("requests were changed on their way", "look for a proxy that rewrites bodies"),
}


def _agents(now: datetime) -> Line:
    return refused_agents(estate.refused_since(now - REFUSED_WITHIN))


def refused_agents(counts: Mapping[str, int]) -> Line:
    """Say what agents were refused, by code, the most telling first."""
    if not counts:
        return Line("agents", "ok", "no agent request was refused in the last 24 hours")
    order = [*(code for code in _REFUSED if code in counts), *sorted(code for code in counts if code not in _REFUSED)]
    words, fix = _REFUSED.get(order[0], ("requests were refused", "read log/web.log, and the agent's own log"))
    listed = ", ".join(f"{code} {counts[code]}" for code in order)
    return Line("agents", "warn", f"refused in the last 24 hours: {listed}; {words}", fix)


def certificates(folder: Path, now: datetime) -> Iterator[Line]:
    """Judge the certificates of the TLS listener and who may read their keys."""
    for name in ("server.pem", "ca.pem"):
        yield _certificate(name, folder / name, now)
    readable = [path.name for path in sorted(folder.glob("*.key")) if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    if readable:
        yield Line("TLS keys", "fail", f"readable by others: {', '.join(readable)}", f"chmod 600 {folder}/*.key")


def _certificate(name: str, path: Path, now: datetime) -> Line:
    try:
        ends = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as problem:
        return Line(name, "fail", f"{path} cannot be read: {problem}", "mainstay down, then mainstay up makes it anew")
    if ends <= now:
        return Line(name, "fail", f"it expired on {ends:%Y-%m-%d}", "mainstay down, then mainstay up renews it")
    if ends - now < CERTIFICATE_LEFT:
        return Line(name, "warn", f"it expires on {ends:%Y-%m-%d}", "it renews itself each day; read log/worker.log if it does not")
    return Line(name, "ok", f"valid until {ends:%Y-%m-%d}")


def self_backup(layout: Layout, now: datetime) -> Line:
    """Judge the backup of Mainstay itself by what was done, never by what was planned."""
    record = read_record(layout)
    if record.made_at is None:
        return Line(
            "self-backup", "warn", "no backup of Mainstay itself was ever made", "mainstay backup self FILE, and keep it on another machine"
        )
    age = now - record.made_at
    if age > BACKUP_AGE_MAX:
        return Line("self-backup", "warn", f"the last backup is {age.total_seconds() / 3600:.0f} h old", "mainstay backup self FILE")
    if record.restored_at is None:
        fix = "prove it once: MAINSTAY_DATA=/some/empty/folder mainstay restore self FILE"
        return Line("self-backup", "warn", f"the last backup is {age.total_seconds() / 3600:.0f} h old and was never restored", fix)
    return Line(
        "self-backup", "ok", f"the last backup is {age.total_seconds() / 3600:.0f} h old; one was restored on {record.restored_at:%Y-%m-%d}"
    )
