"""The catalogue of actions: what an endpoint can be asked for at all.

Owns: name and version, tier, effect class, typed parameters, resource lock, budget and window duty of each action.
Does not own: doing them (the agent), allowing them (policy), the order of checks (`commands`).
Invariant: the tier stands here and not in the command; a name that is not here does not exist. Tiers T2 and T3 are listed so
that a mislabelled command is recognised; no build of this catalogue runs them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from mainstay_trust.canonical import INTEGER_MAX, JSON

TIER_MAX_SPAN_S = {"T0": 86400, "T1": 7 * 86400, "T2": 72 * 3600, "T3": 15 * 60}
EFFECTS = ("pure", "idempotent", "at_most_once", "compensable")
HIGHEST_TIER_BUILT = "T1"

_NAME = re.compile(r"[A-Za-z0-9_@.:+~\\/][A-Za-z0-9_@.:+~\\/\-]*")
_UNIT = re.compile(r"[A-Za-z0-9_@.:\\][A-Za-z0-9_@.:\\\-]*")
_HOST_PORT = re.compile(r"[A-Za-z0-9.\[\]:][A-Za-z0-9.\-\[\]:]*:[0-9]{1,5}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~:\-]*")
_HEX = re.compile(r"[0-9a-f]{64}")
_FREE = re.compile(r"[^\x00-\x1f\x7f]*")


@dataclass(frozen=True)
class Text:
    """Text of a given form; by the form no name starts with a hyphen and none holds a control character."""

    form: re.Pattern[str] = _NAME
    most: int = 128

    def admits(self, value: JSON) -> bool:
        return isinstance(value, str) and 1 <= len(value) <= self.most and self.form.fullmatch(value) is not None


@dataclass(frozen=True)
class Whole:
    least: int = 0
    most: int = INTEGER_MAX

    def admits(self, value: JSON) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and self.least <= value <= self.most


@dataclass(frozen=True)
class Choice:
    values: frozenset[str]

    def admits(self, value: JSON) -> bool:
        return isinstance(value, str) and value in self.values


@dataclass(frozen=True)
class ListOf:
    item: "Kind"
    most: int = 100

    def admits(self, value: JSON) -> bool:
        return isinstance(value, list | tuple) and 1 <= len(value) <= self.most and all(map(self.item.admits, value))


@dataclass(frozen=True)
class Record:
    members: "Mapping[str, Kind]"

    def admits(self, value: JSON) -> bool:
        return isinstance(value, Mapping) and set(value) == set(self.members) and all(k.admits(value[n]) for n, k in self.members.items())


Kind: TypeAlias = Text | Whole | Choice | ListOf | Record


@dataclass(frozen=True)
class Action:
    """One entry. `lock` and `allowed_by` name a parameter or a fixed resource; `budget` a limit of `budgets`."""

    name: str
    tier: str
    effect: str = "pure"
    params: Mapping[str, Kind] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    lock: str | None = None
    budget: str | None = None
    needs_window: bool = False
    allowed_by: str | None = None

    def admits(self, params: Mapping[str, JSON]) -> bool:
        """Tell whether parameters fit the schema exactly."""
        needed = set(self.params) - self.optional
        return needed <= set(params) <= set(self.params) and all(self.params[name].admits(params[name]) for name in params)

    def lock_for(self, params: Mapping[str, JSON]) -> str | None:
        """Return the resource that only one action may hold, such as `service:nginx.service` or `pkg`."""
        return None if self.lock is None else self.lock.format_map({name: str(value) for name, value in params.items()})

    @property
    def base_name(self) -> str:
        return self.name.partition("@")[0]


def _service(verb: str) -> Action:
    # Starting and reloading disturb a service as a restart does, so one budget per unit covers all three.
    return Action(
        f"service.{verb}@1",
        "T1",
        "idempotent",
        {"unit": Text(_UNIT)},
        lock="service:{unit}",
        budget="service.restart",
        allowed_by="service",
    )


_PACKAGES = ListOf(Record({"name": Text(_NAME), "version": Text(_VERSION)}))
_IDS = ListOf(Text(_UNIT), 20)
_TARGET: Mapping[str, Kind] = {"target": Text(_HOST_PORT, 300), "timeout_s": Whole(1, 30)}

_T0 = (
    Action("facts.collect@1", "T0", params={"groups": _IDS}, optional=frozenset({"groups"})),
    Action("logs.tail@1", "T0", params={"source": Text(_FREE, 300), "lines": Whole(1, 2000)}, allowed_by="log_source"),
    Action("proc.list@1", "T0"),
    Action("net.sockets@1", "T0"),
    Action("service.status@1", "T0", params={"unit": Text(_UNIT)}),
    Action("disk.usage@1", "T0", params={"path": Text(_FREE, 300), "depth": Whole(0, 3)}),
    Action("patch.scan@1", "T0"),
    Action("patch.simulate@1", "T0", params={"packages": _PACKAGES}),
    Action("probe.tcp@1", "T0", params=_TARGET, optional=frozenset({"timeout_s"}), budget="probe", allowed_by="probe_target"),
    Action("run.query@1", "T0", params={"idem": Text(_FREE, 200)}),
    Action("agent.diag@1", "T0"),
    Action("freeze@1", "T0", "idempotent", {"for_s": Whole(60, 86400)}),
)
_T1 = (
    _service("start"),
    _service("restart"),
    _service("reload"),
    Action("patch.download@1", "T1", "idempotent", {"packages": _PACKAGES}, lock="pkg"),
    Action("patch.install@1", "T1", "at_most_once", {"packages": _PACKAGES}, lock="pkg", budget="patch.install", needs_window=True),
    Action(
        "reboot@1",
        "T1",
        "at_most_once",
        {"mode": Choice(frozenset({"if_required", "always"}))},
        lock="power",
        budget="reboot",
        needs_window=True,
    ),
    Action("cache.clear@1", "T1", "idempotent", {"cache": Choice(frozenset({"apt", "dnf", "zypper"}))}, lock="pkg"),
    Action("journal.vacuum@1", "T1", "idempotent", {"keep_mb": Whole(100, 100_000)}, lock="journal"),
    Action("tmp.clean@1", "T1", "idempotent", {"older_than_days": Whole(1, 3650)}, lock="tmp"),
    Action("time.sync@1", "T1", "idempotent", lock="time"),
    Action("agent.restart@1", "T1", "idempotent", lock="agent"),
)
_HIGHER = (
    Action("runbook.run@1", "T2", "at_most_once", {"values": Text(_FREE, 60_000)}, optional=frozenset({"values"})),
    *(
        Action(f"{name}@1", "T3", "at_most_once")
        for name in ("script.run", "file.write", "session.open", "isolate", "wipe", "account.disable", "agent.uninstall", "agent.leave")
    ),
)

CATALOGUE: Mapping[str, Action] = {action.name: action for action in (*_T0, *_T1, *_HIGHER)}
