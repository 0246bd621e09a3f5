"""Small builders of what the rules of assurance take: a check, a subject, an answer, a host with facts."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from mainstay.domains.assurance.rules.catalogue import CATALOGUE, Check
from mainstay.domains.assurance.rules.facts import Group, Host, Source
from mainstay.domains.assurance.rules.infrastructure import Mapped
from mainstay.domains.assurance.rules.inputs import Inputs, Scope
from mainstay.domains.assurance.rules.judged import DataClass, Exposure, Judgement, Subject
from mainstay.domains.assurance.rules.matrix import Cell, Column, State, System
from mainstay.domains.assurance.rules.results import Result, Verdict
from mainstay.domains.assurance.rules.system_checks import Around

# What an agent without its root half sends of a small server: enough for a first audit.
FACTS: dict[str, Mapping[str, object] | str] = {
    "os": {"id": "debian", "version_id": "12", "name": "Debian GNU/Linux 12 (bookworm)", "codename": "bookworm", "hostname": "elm-ehr1"},
    "hw": {"chassis": "virtual", "vendor": "QEMU"},
    "services": {
        "manager": "systemd",
        "services": [{"unit": "ehr.service", "manager": "systemd", "state": "running", "description": "EHR"}],
    },
    "sockets": {"listening": [{"protocol": "tcp", "family": "ipv4", "address": "0.0.0.0", "port": 5432, "process": "postgres"}]},  # noqa: S104
    "users_groups": {"users": [], "groups": []},
    "packages": {"manager": "dpkg", "packages": [{"name": "postgresql", "version": "15", "arch": "amd64"}]},
    "backups": {"known": False, "tools": []},
    "audit_sysctl": {
        "values": {"net.ipv4.ip_forward": "1"},
        "sources": [{"command": "sysctl -a", "raw_sha256": "ab" * 32, "excerpt": "x"}],
    },
    "audit_verify": "running",
}
NOW = datetime(2026, 11, 19, 12, tzinfo=UTC)


def check(check_id: str = "TST-01", **what: object) -> Check:
    values = {
        "version": 1, "area": "system", "title": f"Title of {check_id}", "problem": f"Problem of {check_id}", "severity": "high",
        "subject": "host", "measured": "cat /etc/x", "pass_when": "well", "why": "Because.", "fix": ("Do it.",), "effort_base_min": 10,
        "effort_each_min": 5, "controls": ("CM-6",), "stage": "implement",
    }  # fmt: skip
    return Check(**{"id": check_id, **values, **what})  # type: ignore[arg-type]  # a test says what it changes


def subjects(count: int, exposure: Exposure = Exposure.INTERNAL, data: DataClass = DataClass.OTHER) -> tuple[Subject, ...]:
    return tuple(Subject(f"dev-{number}", f"host{number}", exposure=exposure, data=data) for number in range(1, count + 1))


def answer(check_id: str, verdict: Verdict, passed: int = 0, total: int = 1, reason: str = "", failing: tuple[str, ...] = ()) -> Result:
    return Result(check_id, verdict, f"{check_id} is {verdict}.", ("os",), passed, total, failing, reason)


def judgement(one: Check, *verdicts: Verdict, on: tuple[Subject, ...] = ()) -> Judgement:
    """A check with one subject for each verdict."""
    who = on or subjects(len(verdicts))
    return Judgement(one, tuple((subject, answer(one.id, verdict)) for subject, verdict in zip(who, verdicts, strict=True)))


def host(name: str = "elm-ehr1", groups: Mapping[str, Mapping[str, object]] | None = None, device_id: str = "dev-1") -> Host:
    found = {
        key: Group(key, NOW - timedelta(minutes=5), "ab" * 32, "agent 1", body, sources=(Source(f"read {key}", "cd" * 32, "line"),))
        for key, body in (groups or {}).items()
    }
    return Host(device_id, name, NOW, groups=found)


def system(subject: Subject, **states: State) -> System:
    """A system whose cells are given by column; whatever is not given is unknown."""
    return System(subject, {Column(name): Cell(state, "said", NOW if state is State.CONNECTED else None) for name, state in states.items()})


def mapped(
    name: str = "elm-ehr1", groups: Mapping[str, Mapping[str, object]] | None = None, device_id: str = "dev-1", **states: State
) -> Mapped:
    subject = Subject(device_id, name)
    return Mapped(host(name, groups, device_id), subject, system(subject, **states))


def inputs(*devices: Mapped, **what: object) -> Inputs:
    found = devices or (mapped(),)
    base = {
        "run": "run-1",
        "tenant": "elm",
        "scope": Scope("device", "dev-1", "elm-ehr1"),
        "as_of": NOW,
        "window_from": NOW - timedelta(days=30),
        "devices": found,
        "around": Around(NOW, tuple(one.system for one in found)),
        "software": "1",
    }
    return Inputs(**{**base, **what})  # type: ignore[arg-type]  # a test says what it changes


__all__ = ["CATALOGUE", "FACTS", "NOW", "answer", "check", "host", "inputs", "judgement", "mapped", "subjects", "system"]
