"""Every check: it passes on a healthy host, fails on the smallest fault, and never passes on what it cannot know."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mainstay.domains.assurance.rules.catalogue import AREAS, CATALOGUE, read_row
from mainstay.domains.assurance.rules.checks import HOST_CHECKS, judge
from mainstay.domains.assurance.rules.checks.lifecycle import end_of_security_updates
from mainstay.domains.assurance.rules.facts import Group, Host, Role
from mainstay.domains.assurance.rules.results import Verdict
from mainstay.domains.assurance.tests.check_examples import (
    AS_OF,
    BAD,
    DAY,
    DECLARED,
    HEALTHY,
    KERNEL,
    NOW,
    SSH,
    UNATTENDED,
    account,
    accounts_with,
    certificate,
    changed,
    host,
    listener,
    tls,
)  # fmt: skip

IDS = sorted(HOST_CHECKS)


class Recorded(dict[str, Group]):
    """Groups that remember which of them were asked for."""

    def __init__(self, groups: Any) -> None:
        super().__init__(groups)
        self.asked: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)


def groups_of(check: str) -> list[str]:
    """Return the groups that a check reads on the healthy host."""
    groups = Recorded(host().groups)
    judge(check, replace(host(), groups=groups))
    return sorted(groups.asked)


NEEDED = [(check, group) for check in IDS for group in groups_of(check)]


@pytest.mark.parametrize("check", IDS)
def test_a_healthy_host_passes(check: str) -> None:
    result = judge(check, host())

    assert (result.verdict, result.failing) == (Verdict.PASS, ())
    assert result.passed == result.total > 0
    assert result.seen
    assert set(result.groups) <= set(HEALTHY)


@pytest.mark.parametrize("check", IDS)
def test_the_smallest_fault_is_found_and_named(check: str) -> None:
    bad = BAD[check]

    result = judge(check, host(changed(bad.groups), DECLARED | bad.declared))

    assert result.verdict is bad.verdict
    assert bad.failing in result.failing
    assert result.passed < result.total


@pytest.mark.parametrize(("check", "group"), NEEDED)
def test_without_a_group_it_is_unknown_and_says_which(check: str, group: str) -> None:
    result = judge(check, host({name: body for name, body in HEALTHY.items() if name != group}))

    assert (result.verdict, result.reason) == (Verdict.UNKNOWN, "missing")
    assert group in result.seen


@pytest.mark.parametrize(("check", "group"), NEEDED)
def test_what_the_source_could_not_know_stays_unknown_with_its_reason(check: str, group: str) -> None:
    healthy = host()
    groups = dict(healthy.groups) | {group: Group(group, AS_OF, "0" * 64, "1", unknown="running")}

    result = judge(check, replace(healthy, groups=groups))

    assert (result.verdict, result.reason) == (Verdict.UNKNOWN, "running")


@pytest.mark.parametrize(("check", "group"), NEEDED)
@pytest.mark.parametrize(("age", "reason"), [(timedelta(hours=24, seconds=1), "stale"), (timedelta(hours=-2), "contradictory")])
def test_facts_from_yesterday_or_from_the_future_are_unknown(check: str, group: str, age: timedelta, reason: str) -> None:
    healthy = host()
    groups = dict(healthy.groups) | {group: replace(healthy.groups[group], collected_at=AS_OF - age)}

    assert judge(check, replace(healthy, groups=groups)).reason == reason


def stripped(value: Any) -> list[Any]:
    """Return copies of a body, each with one field taken away or turned into something else, at any depth."""
    found: list[Any] = []
    if isinstance(value, dict):
        for name, inner in value.items():
            rest = {key: one for key, one in value.items() if key != name}
            found += [rest, value | {name: None}, value | {name: {"?": 1}}, *(value | {name: one} for one in stripped(inner))]
    elif isinstance(value, list) and value:
        found += [[*value[:-1], one] for one in [*stripped(value[-1]), 7]]
    return found


@pytest.mark.parametrize(("check", "group"), NEEDED)
def test_no_damaged_group_breaks_a_check(check: str, group: str) -> None:
    """Whatever one field becomes, the answer is a verdict, and an unknown one carries its reason."""
    for body in [{}, *stripped(HEALTHY[group])]:
        result = judge(check, host(HEALTHY | {group: body}))

        assert result.verdict in Verdict
        assert bool(result.reason) == (result.verdict in (Verdict.UNKNOWN, Verdict.NOT_APPLICABLE))
    assert judge(check, host(HEALTHY | {group: {}})).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("check", IDS)
def test_a_host_without_facts_passes_nothing(check: str) -> None:
    assert judge(check, host({})).verdict is Verdict.UNKNOWN


CONTRADICTIONS: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "no root at all": ("ACC-01", {"audit_accounts": {"accounts": [account("tara", 1001)]}}),
    "a sign-in of tomorrow": ("ACC-04", accounts_with(account("omar", 1002, last_login=NOW + 2 * DAY))),
    "a certificate that ends before it begins": (
        "ENC-04",
        {"certificates": {"certificates": [certificate(not_before=NOW, not_after=NOW - DAY)]}},
    ),
    "more faults than files": ("ENC-06", {"audit_permissions": {"checked": 0, "loose": []}}),
    "a count that is not that of the list": ("PAT-02", {"updates": {"security_count": 3}}),
    "an update of tomorrow": ("PAT-05", {"audit_updates": {"unattended": UNATTENDED | {"last_success": NOW + 2 * DAY}}}),
    "no root file system": ("SYS-03", {"audit_mounts": {"mounts": []}}),
    "a taint without flags": ("INT-04", {"audit_integrity": {"taint": 4096}}),
    "more than all pressure": ("HLT-02", {"audit_pressure": {"psi": {"cpu": 10_001, "io": 0, "memory": 0}}}),
    "fuller than full": ("HLT-04", {"audit_pressure": {"full": [{"mount": "/", "used_pct": 101, "inodes_used_pct": 1}]}}),
    "a system without packages": ("NET-07", {"packages": {"packages": []}}),
}


@pytest.mark.parametrize("name", sorted(CONTRADICTIONS))
def test_contradictory_facts_are_unknown(name: str) -> None:
    check, patch = CONTRADICTIONS[name]

    assert (judge(check, host(changed(patch))).verdict, judge(check, host(changed(patch))).reason) == (Verdict.UNKNOWN, "contradictory")


UNKNOWN: dict[str, tuple[str, dict[str, dict[str, Any]], str]] = {
    "lists that are old": ("PAT-02", {"updates": {"lists_at": NOW - 4 * DAY}}, "lists_stale"),
    "a release that is not in the data": ("PAT-01", {"os": {"id": "plan9", "version_id": "4"}}, "release_not_in_data"),
    "logins are not recorded": ("ACC-04", {"audit_accounts": {"unknown": {"last_login": "not_supported"}}}, "not_supported"),
    "settings that SSH did not give": (
        "NET-04",
        {"audit_ssh": {"settings": None, "unknown": {"settings": "parse_failed"}}},
        "parse_failed",
    ),
    "a walk that was cut": ("SYS-04", {"audit_files": {"truncated": True}}, "truncated"),
    "a disk whose health nobody asks": (
        "HLT-03",
        {"disks": {"disks": [{"name": "sda", "smart": None, "unknown": {"smart": "tool_missing"}}]}},
        "tool_missing",
    ),
    "a kernel setting that is not shown": ("SYS-01", {"audit_sysctl": {"values": {**KERNEL, "fs.suid_dumpable": None}}}, "missing"),
    "swap whose disk is not seen": (
        "ENC-02",
        {"audit_mounts": {"swaps": [{"device": "/swapfile", "kind": "file", "encrypted": None}]}},
        "tool_missing",
    ),
    "a port that does not answer": ("ENC-05", {"audit_tls": {"listeners": [tls(old_versions=None)]}}, "timeout"),
    "the kernel keeps no pressure": ("HLT-02", {"audit_pressure": {"psi": None}}, "not_supported"),
}


@pytest.mark.parametrize("name", sorted(UNKNOWN))
def test_what_is_not_seen_is_unknown_with_its_reason(name: str) -> None:
    check, patch, reason = UNKNOWN[name]

    assert (judge(check, host(changed(patch))).verdict, judge(check, host(changed(patch))).reason) == (Verdict.UNKNOWN, reason)


UNSAID = {"ACC-05": "no_people_list", "LOG-03": "no_log_source", "HLT-04": "no_trend"}


def test_without_a_list_of_exploited_holes_nothing_is_said_of_them():
    result = judge("PAT-03", host(HEALTHY, declared={}))

    assert (result.verdict, result.reason) == (Verdict.NOT_APPLICABLE, CATALOGUE["PAT-03"].without_source)


@pytest.mark.parametrize("check", sorted(UNSAID))
def test_what_nobody_said_is_unknown(check: str) -> None:
    result = judge(check, host(declared={}))

    assert (result.verdict, result.reason) == (Verdict.UNKNOWN, UNSAID[check])


ABSENT: dict[str, tuple[str, dict[str, dict[str, Any]], str]] = {
    "no SSH server": ("NET-04", {"audit_ssh": {"installed": False, "settings": None}}, "no_ssh_server"),
    "no sudo": ("ACC-06", {"audit_sudo": {"present": False}}, "no_sudo"),
    "no certificate": ("ENC-04", {"certificates": {"certificates": []}, "audit_tls": {"listeners": []}}, "no_certificates"),
    "no key": ("ACC-10", {"audit_keys": {"keys": [], "files": []}}, "no_keys"),
    "virtual disks": ("HLT-03", {"disks": {"disks": [{"name": "vda", "smart": None, "unknown": {"smart": "not_supported"}}]}}, "virtual"),
    "a kernel from outside": ("SYS-07", {"audit_boot": {"firmware": "none", "grub_cfg": None, "secure_boot": False}}, "no_boot_loader"),
}


@pytest.mark.parametrize("name", sorted(ABSENT))
def test_what_is_not_there_is_not_applicable_and_never_a_pass(name: str) -> None:
    check, patch, reason = ABSENT[name]

    assert (judge(check, host(changed(patch))).verdict, judge(check, host(changed(patch))).reason) == (Verdict.NOT_APPLICABLE, reason)


def test_a_router_may_forward() -> None:
    bodies = changed({"audit_sysctl": {"values": KERNEL | {"net.ipv4.ip_forward": "1"}}})

    assert judge("NET-08", host(bodies, role=Role.ROUTER)).verdict is Verdict.PASS
    assert judge("NET-08", host(bodies, role=Role.SERVER)).verdict is Verdict.PARTIAL


def test_a_workstation_declares_no_server_port_and_a_declared_port_is_well() -> None:
    bodies = changed({"sockets": {"listening": [listener(22), listener(631, process="cupsd")]}})

    assert judge("NET-01", host(bodies, role=Role.WORKSTATION)).failing == ("tcp/22 (sshd)", "tcp/631 (cupsd)")
    said = DECLARED | {"listeners": [{"protocol": "tcp", "port": 22}, {"protocol": "tcp", "port": 631}]}
    assert judge("NET-01", host(bodies, said, role=Role.WORKSTATION)).verdict is Verdict.PASS


def test_malware_protection_is_asked_of_workstations_and_file_servers_only() -> None:
    bodies = changed({"audit_services": {"file_server": False}, "protection": {"products": []}})

    assert judge("INT-03", host(bodies)).reason == "not_for_role"
    assert judge("INT-03", host(bodies, role=Role.LAPTOP)).verdict is Verdict.FAIL


def test_a_workstation_is_judged_by_its_screen_and_a_server_by_its_shells() -> None:
    bodies = changed({"audit_session": {"idle_s": 1800, "tmout_s": 900}})

    assert judge("SYS-09", host(bodies, role=Role.WORKSTATION)).failing == ("The screen locks after 1800 s.",)
    assert judge("SYS-09", host(bodies)).verdict is Verdict.PASS


def test_fail_is_said_even_when_a_part_is_not_seen() -> None:
    """A list that was cut cannot prove that all is well, but what it shows is shown."""
    rows = {"world_writable": [{"path": "/srv/x", "mode": "0666", "type": "f"}], "truncated": True}

    assert judge("SYS-04", host(changed({"audit_files": rows}))).verdict is Verdict.FAIL


def test_root_with_a_key_only_is_well() -> None:
    settings = {"settings": SSH | {"permitrootlogin": "prohibit-password"}}

    assert judge("NET-04", host(changed({"audit_ssh": settings}))).verdict is Verdict.PASS


def test_a_release_counts_as_its_maker_counts() -> None:
    assert str(end_of_security_updates("rocky", "9.4")) == "2032-05-31"
    assert str(end_of_security_updates("alpine", "3.20.3")) == "2026-04-01"
    assert end_of_security_updates("debian", "") is None


def test_the_last_day_of_support_is_still_supported() -> None:
    bodies = changed({"os": {"version_id": "11", "name": "Debian 11"}})
    end = AS_OF.replace(year=2026, month=8, day=31)
    groups = {name: replace(group, collected_at=end) for name, group in host(bodies).groups.items()}

    assert judge("PAT-01", Host("d", "d", end, Role.SERVER, groups)).verdict is Verdict.PASS
    assert judge("PAT-01", Host("d", "d", end + timedelta(hours=13), Role.SERVER, groups)).verdict is Verdict.FAIL


def test_every_check_has_a_row_and_what_it_needs() -> None:
    assert set(HOST_CHECKS) <= set(CATALOGUE)
    assert set(BAD) == set(HOST_CHECKS)
    for row in CATALOGUE.values():
        assert row.area in AREAS
        assert set(row.after) <= set(CATALOGUE)
        assert row.why.endswith(".")
        assert row.controls
        assert all(one.startswith("164.") for one in row.hipaa)
        assert bool(row.without_source) == (row.id not in HOST_CHECKS) or row.id == "PAT-03"


def test_every_row_says_what_is_wrong_when_its_check_fails_in_a_sentence_of_its_own() -> None:
    for row in CATALOGUE.values():
        assert row.problem[0].isupper(), row.id
        assert "." not in row.problem, row.id
        assert 0 < len(row.problem) <= 90, row.id
    said = [*(row.problem for row in CATALOGUE.values()), *(row.title for row in CATALOGUE.values())]
    assert len(set(said)) == 2 * len(CATALOGUE)


ROW: Mapping[str, object] = {
    "id": "SYS-99", "title": "Doors are shut", "problem": "Doors are open", "severity": "low", "subject": "host", "measured": "doors",
    "pass_when": "shut", "why": "Because.", "fix": ["Shut it"], "effort_base_min": 1, "effort_each_min": 0, "controls": ["CM-6"],
    "stage": "implement",
}  # fmt: skip


@pytest.mark.parametrize("problem", ["", "Doors are open.", "doors are open", "Doors are shut", "D" * 91])
def test_a_row_whose_problem_cannot_name_a_finding_stops_the_program(problem: str) -> None:
    with pytest.raises(ValueError, match="SYS-99: the problem is no short sentence"):
        read_row("system", {**ROW, "problem": problem})


def test_a_row_without_a_problem_stops_the_program_and_one_with_it_is_read() -> None:
    without = {name: value for name, value in ROW.items() if name != "problem"}

    with pytest.raises(ValueError, match=r"SYS-99: missing members \['problem'\]"):
        read_row("system", without)
    assert read_row("system", ROW).problem == "Doors are open"


def test_every_row_of_the_specification_is_in_the_catalogue() -> None:
    counts = {
        "ACC": 10,
        "NET": 9,
        "ENC": 6,
        "PAT": 7,
        "LOG": 5,
        "SYS": 9,
        "INT": 4,
        "BCK": 6,
        "DOM": 6,
        "HLT": 5,
        "ITG": 6,
        "AUT": 4,
        "GOV": 9,
    }

    assert set(CATALOGUE) == {f"{area}-{number:02d}" for area, count in counts.items() for number in range(1, count + 1)}


def test_a_laptop_without_encryption_is_critical() -> None:
    assert (CATALOGUE["ENC-01"].severity_for("laptop"), CATALOGUE["ENC-01"].severity_for("server")) == ("critical", "high")


def test_a_folder_that_is_bound_elsewhere_is_no_second_disk() -> None:
    mounts = [{"mount": mount, "device": "/dev/sda2", "encrypted": False} for mount in ("/srv/bound", "/")]

    result = judge("ENC-01", host(changed({"disk_encryption": {"mounts": mounts}})))

    assert (result.failing, result.total) == (("/",), 1)
