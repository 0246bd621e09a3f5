"""From what is known of a device to the readings of each rule.

A reading names its subject (a mount, a unit, a file) and has a value, or None when the device could not tell.
Invariant: what is unknown stays unknown; no reading is made up for it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from mainstay.kernel.json import Json, JsonObject

# Filesystems whose free space says nothing: read-only images are full by design.
_IGNORED_MOUNTS = ("/snap/", "/run/", "/boot/efi")
TREND_SPAN_S_MIN = 1800
HOURS_MAX = 24 * 365
DAY_S = 86_400


@dataclass(frozen=True)
class Reading:
    """`value` None: the device was asked and could not tell (`text` is the reason)."""

    subject: str
    value: float | None
    text: str = ""
    evidence: JsonObject = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    labels: Mapping[str, str]
    value: float
    at: datetime


@dataclass(frozen=True)
class Slope:
    """A straight line through a series: last value, change per second, seconds covered."""

    labels: Mapping[str, str]
    last: float
    per_s: float
    span_s: float


@dataclass(frozen=True)
class FactView:
    body: "JsonObject | None"
    unknown: str


@dataclass(frozen=True)
class UnitView:
    unit: str
    state: str
    since: datetime
    detail: str = ""


@dataclass(frozen=True)
class SpoolView:
    """What a process of ours says of its spool."""

    name: str
    fill_pct: float
    quarantined: int
    reason: str = ""


@dataclass(frozen=True)
class OwnView:
    """What Mainstay knows of itself. `away`: why its store of signals does not answer, empty when it does."""

    away: str = ""
    spools: Sequence[SpoolView] = ()


@dataclass(frozen=True)
class DeviceView:
    """All that is known of a device at an instant. `heard_at`: last contact, or since when we have been listening.

    Mainstay itself is looked at in the same way: `own` is set, and nothing else is.
    """

    device_id: UUID
    name: str
    heard_at: datetime | None
    is_silent: bool
    quarantine: str = ""
    samples: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
    slopes: Mapping[str, Sequence[Slope]] = field(default_factory=dict)
    facts: Mapping[str, FactView] = field(default_factory=dict)
    units: Sequence[UnitView] = ()
    own: "OwnView | None" = None


def readings(rule_id: str, view: DeviceView, *, at: datetime) -> list[Reading]:
    """Return the readings of a rule, one for each part of the device that it concerns."""
    return _READERS[rule_id](view, at)


def _filesystem(view: DeviceView, at: datetime) -> list[Reading]:
    read_only = {sample.labels.get("mount") for sample in view.samples.get("filesystem_read_only", ()) if sample.value >= 1}
    return [
        Reading(mount, sample.value)
        for sample in view.samples.get("filesystem_free_pct", ())
        if (mount := sample.labels.get("mount", "")) not in read_only and not mount.startswith(_IGNORED_MOUNTS)
    ]


def _predicted(view: DeviceView, at: datetime) -> list[Reading]:
    found = []
    for slope in view.slopes.get("filesystem_free_bytes", ()):
        mount = slope.labels.get("mount", "")
        if slope.span_s >= TREND_SPAN_S_MIN and not mount.startswith(_IGNORED_MOUNTS):
            hours = slope.last / -slope.per_s / 3600 if slope.per_s < 0 else HOURS_MAX
            found.append(Reading(mount, min(hours, HOURS_MAX), evidence={"free_bytes": int(slope.last), "window_s": int(slope.span_s)}))
    return found


def _memory(view: DeviceView, at: datetime) -> list[Reading]:
    return [Reading("", sample.value) for sample in view.samples.get("memory_available_pct", ())]


def _load(view: DeviceView, at: datetime) -> list[Reading]:
    cpus = max((sample.value for sample in view.samples.get("cpu_count", ())), default=0)
    return [Reading("", sample.value / cpus) for sample in view.samples.get("load5", ())] if cpus else []


def _clock(view: DeviceView, at: datetime) -> list[Reading]:
    return [Reading("", abs(sample.value) / 1000) for sample in view.samples.get("clock_offset_ms", ())]


def _silence(view: DeviceView, at: datetime) -> list[Reading]:
    return [Reading("", max((at - view.heard_at).total_seconds(), 0.0))] if view.heard_at else []


def _quarantine(view: DeviceView, at: datetime) -> list[Reading]:
    return [Reading("", float(bool(view.quarantine)), view.quarantine)]


_UNIT_VALUES = {"running": 0.0, "stopped": 1.0, "failed": 1.0}


def _units(view: DeviceView, at: datetime) -> list[Reading]:
    return [
        Reading(
            one.unit,
            _UNIT_VALUES.get(one.state),
            one.state,
            {"state": one.state, "since": int(one.since.timestamp()), "detail": one.detail},
        )
        for one in view.units
    ]


def _failed_units(view: DeviceView, at: datetime) -> list[Reading]:
    watched = {one.unit for one in view.units}  # those have a faster rule of their own
    rows = _rows(view, "services", "services")
    return [
        Reading(str(row.get("unit")), 1.0 if row.get("state") == "failed" else 0.0, str(row.get("detail") or ""))
        for row in rows
        if row.get("unit") not in watched and row.get("state") in ("failed", "running", "stopped")
    ]


def _disks(view: DeviceView, at: datetime) -> list[Reading]:
    return [_disk(row) for row in _rows(view, "disks", "disks")]


def _disk(row: JsonObject) -> Reading:
    name, smart = str(row.get("name")), row.get("smart")
    if not isinstance(smart, Mapping):
        unknown = row.get("unknown")
        return Reading(name, None, str(unknown.get("smart", "unknown")) if isinstance(unknown, Mapping) else "unknown")
    if smart.get("passed") is False:
        return Reading(name, 2.0, "its own self-test says that it is failing", smart)
    counts = {key: _count(smart.get(key)) for key in ("reallocated_sectors", "pending_sectors", "media_errors")}
    bad = [f"{count} {key.replace('_', ' ')}" for key, count in counts.items() if count]
    return Reading(name, 1.0 if bad else 0.0, ", ".join(bad), smart)


def _certificates(view: DeviceView, at: datetime) -> list[Reading]:
    found = []
    for row in _rows(view, "certificates", "certificates"):
        not_after = row.get("not_after")
        if isinstance(not_after, int) and row.get("is_ca") is not True:
            days = (not_after - at.timestamp()) / DAY_S
            subject = f"{row.get('path')}#{row.get('position', 0)}"
            found.append(Reading(subject, days, str(row.get("subject") or row.get("path")), {"not_after": not_after}))
    return found


def _updates(view: DeviceView, at: datetime) -> list[Reading]:
    return _flag(view, "updates", lambda body: _count(body.get("security_count")))


def _reboot(view: DeviceView, at: datetime) -> list[Reading]:
    return _flag(view, "reboot_state", lambda body: None if body.get("required") is None else float(body["required"] is True))


def _backup(view: DeviceView, at: datetime) -> list[Reading]:
    return _flag(view, "backups", lambda body: None if body.get("known") is None else float(body["known"] is False))


def _store_away(view: DeviceView, at: datetime) -> list[Reading]:
    return [Reading("", float(bool(view.own.away)), view.own.away, {"why": view.own.away})] if view.own else []


def _spools_filling(view: DeviceView, at: datetime) -> list[Reading]:
    return [Reading(one.name, one.fill_pct) for one in view.own.spools] if view.own else []


def _spools_quarantine(view: DeviceView, at: datetime) -> list[Reading]:
    return [Reading(one.name, float(one.quarantined), one.reason, {"why": one.reason}) for one in view.own.spools] if view.own else []


def _flag(view: DeviceView, group: str, value: Callable[[JsonObject], float | None]) -> list[Reading]:
    fact = view.facts.get(group)
    if fact is None:
        return []
    return [Reading("", None, fact.unknown)] if fact.body is None else [Reading("", value(fact.body))]


def _rows(view: DeviceView, group: str, member: str) -> list[JsonObject]:
    fact = view.facts.get(group)
    rows = fact.body.get(member) if fact is not None and fact.body is not None else None
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, Sequence) and not isinstance(rows, str) else []


def _count(value: Json) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


_READERS: Mapping[str, Callable[[DeviceView, datetime], list[Reading]]] = {
    "filesystem.filling": _filesystem,
    "filesystem.predicted_full": _predicted,
    "memory.pressure": _memory,
    "load.saturated": _load,
    "clock.wrong": _clock,
    "agent.silent": _silence,
    "device.quarantined": _quarantine,
    "service.down": _units,
    "unit.failed": _failed_units,
    "disk.errors": _disks,
    "certificate.expiring": _certificates,
    "updates.pending": _updates,
    "reboot.required": _reboot,
    "backup.unknown": _backup,
    "telemetry.unavailable": _store_away,
    "spool.filling": _spools_filling,
    "spool.quarantine": _spools_quarantine,
}
FACT_GROUPS = ("services", "disks", "certificates", "updates", "reboot_state", "backups")
