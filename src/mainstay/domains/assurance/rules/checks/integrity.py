"""Checks on changed programs, baselines, malware protection and hidden guests (INT-01 to 04)."""

from mainstay.domains.assurance.rules.checks.reading import (
    complete,
    flag,
    flag_or_none,
    items,
    part_or_none,
    rows,
    text,
    texts,
    whole,
    whole_or_none,
)  # fmt: skip
from mainstay.domains.assurance.rules.checks.verdicts import counted, not_applicable, whether
from mainstay.domains.assurance.rules.facts import Host, NotKnown, Role
from mainstay.domains.assurance.rules.results import Result

_DAY_S = 86_400
SIGNATURES_AGE_MAX_S = 7 * _DAY_S
BASELINE_AGE_MAX_S = 90 * _DAY_S
_PROTECTION = frozenset({"clamav", "falcon-sensor", "mdatp", "sentinelone"})  # tools of other kinds stand in the same group
_BAD_TAINT = {
    "F": "a module was loaded by force",
    "R": "a module was removed by force",
    "A": "an ACPI table was overridden",
    "U": "a user tainted it",
}
_UNSIGNED = "E"


def int_01(host: Host) -> Result:
    body = host.group("audit_verify")
    total = whole(body, "packages")
    if total < 1:
        raise NotKnown("contradictory", "audit_verify")
    changed = texts(body, "changed") + [f"{path} (missing)" for path in texts(body, "missing")]
    if not changed:
        complete(body, "changed", "missing")
    good = f"The programs of {total} packages are as delivered."
    return counted(
        "INT-01", ("audit_verify",), total=max(total, len(changed)), failing=changed, good=good, bad="Changed since installation:"
    )


def int_02(host: Host) -> Result:
    baseline = part_or_none(host.group("audit_integrity"), "baseline")
    if baseline is None:
        return whether("INT-02", ("audit_integrity",), problems=("No baseline of critical files exists.",), good="")
    made_at, now = whole_or_none(baseline, "at"), int(host.as_of.timestamp())
    if made_at is None:
        return whether("INT-02", ("audit_integrity",), problems=(f"{text(baseline, 'tool')} never made a baseline.",), good="")
    if made_at > now + _DAY_S:
        raise NotKnown("contradictory", "audit_integrity")
    days = max(now - made_at, 0) // _DAY_S
    problems = [f"The baseline of {text(baseline, 'tool')} is {days} days old."] if now - made_at > BASELINE_AGE_MAX_S else []
    return whether("INT-02", ("audit_integrity",), problems=problems, good=f"{text(baseline, 'tool')} made a baseline {days} days ago.")


def int_03(host: Host) -> Result:
    groups = ("protection", "audit_services")
    services = host.group("audit_services")
    if host.role not in (Role.WORKSTATION, Role.LAPTOP) and not flag(services, "file_server"):
        return not_applicable("INT-03", groups, "not_for_role", "Asked of workstations and file servers only.")
    products = [one for one in rows(host.group("protection"), "products") if text(one, "name") in _PROTECTION]
    running = [text(one, "name") for one in products if flag(one, "running")]
    if not running:
        return whether("INT-03", groups, problems=("No malware protection runs.",), good="")
    if running != ["clamav"]:
        return whether("INT-03", groups, problems=(), good=f"{', '.join(sorted(running))} runs.")
    updated, now = whole_or_none(services, "signatures_at"), int(host.as_of.timestamp())
    if updated is None or updated > now + _DAY_S:
        raise NotKnown("contradictory" if updated else "missing", "signatures_at")
    problems = [f"The signatures are {(now - updated) // _DAY_S} days old."] if now - updated > SIGNATURES_AGE_MAX_S else []
    return whether("INT-03", groups, problems=problems, good="clamav runs with fresh signatures.")


def int_04(host: Host) -> Result:
    body = host.group("audit_integrity")
    complete(body, "hidden_pids", "promiscuous", "ld_preload", "taint_flags")
    flags = texts(body, "taint_flags")
    if bool(whole(body, "taint")) != bool(flags):
        raise NotKnown("contradictory", "audit_integrity")
    problems = [f"ld.so.preload loads {path} into every program." for path in texts(body, "ld_preload")]
    problems += [f"Process {pid} hides from the list of processes." for pid in items(body, "hidden_pids")]
    problems += [f"{name} listens to the traffic of others." for name in texts(body, "promiscuous")]
    problems += [f"The kernel is tainted: {_BAD_TAINT[flag]}." for flag in flags if flag in _BAD_TAINT]
    if _UNSIGNED in flags and flag_or_none(body, "dkms") is False:
        problems.append("The kernel runs an unsigned module that no package manager built.")
    return whether("INT-04", ("audit_integrity",), problems=problems, good="No sign of a hidden guest.")
