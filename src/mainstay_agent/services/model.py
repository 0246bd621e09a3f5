"""What a service is, whoever manages it.

Owns: the states, the shape of a status, the definition of a service in policy.
Does not own: how a manager is asked (`systemd`, `sysv`, `defined`).
Invariant: `unknown` is a state of its own; a manager that could not be asked never yields `stopped`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

State = Literal["running", "stopped", "failed", "unknown"]
Verb = Literal["start", "stop", "restart", "reload"]


@dataclass(frozen=True, slots=True)
class Status:
    """One service at one moment. `since_ms` is the manager's own time of the last change, if it keeps one."""

    unit: str
    manager: str
    state: State
    detail: str = ""
    description: str = ""
    enabled: bool | None = None
    pid: int | None = None
    since_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """A service entry of the signed policy (see the policy payload in `mainstay_trust`)."""

    name: str
    unit: str
    manager: str
    start: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    reload: tuple[str, ...] = ()
    user: str | None = None
    cwd: str | None = None

    @classmethod
    def from_policy(cls, entry: Mapping[str, object]) -> "Definition":
        name = _text(entry.get("name"))
        return cls(
            name=name,
            unit=_text(entry.get("unit")) or name,
            manager=_text(entry.get("manager")),
            start=_argv(entry.get("start")),
            stop=_argv(entry.get("stop")),
            status=_argv(entry.get("status")),
            reload=_argv(entry.get("reload")),
            user=_text(entry.get("user")) or None,
            cwd=_text(entry.get("cwd")) or None,
        )


class Provider(Protocol):
    """One manager. `statuses` costs at most one subprocess for systemd, one per unit elsewhere."""

    manager: str

    def inventory(self) -> list[Status]: ...

    def statuses(self, units: Iterable[str]) -> dict[str, Status]: ...

    def argv(self, unit: str, verb: Verb) -> list[str] | None: ...


def lsb_state(code: int) -> State:
    """Read the exit code of a status command. Source: Linux Standard Base 5.0, init script actions."""
    if code == 0:
        return "running"
    if code in (1, 2):
        return "failed"  # dead, but a pid file or lock is left: it did not stop by itself in good order
    return "stopped" if code == 3 else "unknown"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _argv(value: object) -> tuple[str, ...]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(part for part in value if isinstance(part, str))
    return ()
