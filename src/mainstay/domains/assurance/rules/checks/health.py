"""Checks on crashes, pressure, hardware and space (HLT-01 to 04)."""

from collections.abc import Mapping

from mainstay.domains.assurance.rules.checks.reading import (
    complete,
    flag_or_none,
    part,
    part_or_none,
    rows,
    text,
    texts,
    whole,
    whole_or_none,
)  # fmt: skip
from mainstay.domains.assurance.rules.checks.verdicts import counted, not_applicable, unknown, whether
from mainstay.domains.assurance.rules.facts import Host, NotKnown
from mainstay.domains.assurance.rules.results import Result
from mainstay.kernel.json import JsonObject

PRESSURE_MAX = 2_000  # hundredths of a percent
USED_PCT_MAX = 95
DAYS_TO_FULL_MIN = 30
_COUNTED = {
    "unplanned_boots": "The host restarted {0} times without being told to.",
    "oom_kills": "The kernel ended {0} programs because memory ran out.",
    "oops": "The kernel itself failed {0} times.",
}


def hlt_01(host: Host) -> Result:
    body = host.group("audit_pressure")
    counts = {name: whole_or_none(body, name) for name in _COUNTED}
    problems = [_COUNTED[name].format(count) for name, count in counts.items() if count]
    problems += [f"{unit} has failed." for unit in (texts(body, "failed_units") if body.get("failed_units") is not None else [])]
    unseen = [name for name in (*_COUNTED, "failed_units") if body.get(name) is None]
    if unseen and not problems:
        raise NotKnown("not_supported", unseen[0])
    return whether("HLT-01", ("audit_pressure",), problems=problems, good="No crash, no failed service.")


def hlt_02(host: Host) -> Result:
    psi = part_or_none(host.group("audit_pressure"), "psi")
    if psi is None:
        raise NotKnown("not_supported", "audit_pressure")
    shares = {name: whole(psi, name) for name in ("cpu", "io", "memory")}
    if any(not 0 <= share <= 10_000 for share in shares.values()):
        raise NotKnown("contradictory", "audit_pressure")
    problems = [f"Work waited for {name} {share // 100} % of the time." for name, share in shares.items() if share >= PRESSURE_MAX]
    return whether("HLT-02", ("audit_pressure",), problems=problems, good="Work hardly waits for processor, memory or disk.")


def hlt_03(host: Host) -> Result:
    groups = ("disks", "audit_pressure")
    disks = [one for one in rows(host.group("disks"), "disks") if not _is_virtual(one)]
    body = host.group("audit_pressure")
    problems = [f"RAID {name} has lost a disk." for name in texts(body, "raid_degraded")]
    problems += [f"Disk {text(one, 'name')} says that it is failing." for one in disks if _smart_passed(one) is False]
    errors = whole_or_none(body, "uncorrected_memory")
    problems += [f"{errors} memory errors could not be corrected."] if errors else []
    if problems:
        return whether("HLT-03", groups, problems=problems, good="")
    if not disks:
        return not_applicable("HLT-03", groups, "virtual", "Disks and memory are those of the host below.")
    if any(_smart_passed(one) is None for one in disks):
        complete(disks[0], "smart")
        raise NotKnown("missing", "smart")
    return whether("HLT-03", groups, problems=(), good=f"All {len(disks)} disks say that they are well.")


def _is_virtual(disk: JsonObject) -> bool:
    unknown_fields = disk.get("unknown")
    return isinstance(unknown_fields, Mapping) and unknown_fields.get("smart") == "not_supported"


def _smart_passed(disk: JsonObject) -> bool | None:
    smart = part_or_none(disk, "smart")
    return None if smart is None else flag_or_none(smart, "passed")


def hlt_04(host: Host) -> Result:
    mounts = rows(host.group("audit_pressure"), "full")
    if not mounts:
        raise NotKnown("nothing_seen", "audit_pressure")
    days = host.declared.get("days_to_full")
    trend = part({"days": days}, "days") if isinstance(days, Mapping) else None
    failing = [f"{text(one, 'mount')} ({fault})" for one in mounts if (fault := _space_fault(one, trend))]
    if not failing and trend is None:
        return unknown("HLT-04", ("audit_pressure",), "no_trend", "No disk is full now; how fast they fill is not known yet.")
    good = f"None of {len(mounts)} file systems fills up within {DAYS_TO_FULL_MIN} days."
    return counted("HLT-04", ("audit_pressure",), total=len(mounts), failing=failing, good=good, bad="Running full:")


def _space_fault(mount: JsonObject, trend: "JsonObject | None") -> str:
    used, inodes = whole(mount, "used_pct"), whole_or_none(mount, "inodes_used_pct")
    if not 0 <= used <= 100:
        raise NotKnown("contradictory", "used_pct")
    if used >= USED_PCT_MAX:
        return f"{used} % used"
    if inodes is not None and inodes >= USED_PCT_MAX:
        return f"{inodes} % of the file entries used"
    days = None if trend is None or text(mount, "mount") not in trend else whole_or_none(trend, text(mount, "mount"))
    return f"full in {days} days" if days is not None and days <= DAYS_TO_FULL_MIN else ""
