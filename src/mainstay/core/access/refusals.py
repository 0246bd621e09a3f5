"""Refused decisions become evidence after the refused transaction is gone.

Owns: collecting refusals during one request or job, and writing them in a transaction of their own. Folds what one actor
repeats more than a hundred times a minute into one leaf with a count.
Invariant: a refusal never depends on the transaction that it refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

from mainstay.core.access.decisions import Ruling
from mainstay.core.ledger import services as ledger
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.core.tenancy.ids import new_id
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.json import Json

PER_MINUTE_MAX = 100
_ACTORS_MAX = 10_000


@dataclass(frozen=True)
class Refusal:
    """One refused decision, waiting to be written."""

    actor: Actor
    action: str
    ruling: Ruling


_waiting: ContextVar[list[Refusal] | None] = ContextVar("mainstay_refusals", default=None)


def note(actor: Actor, action: str, ruling: Ruling) -> None:
    """Remember a refusal until the boundary of this request or job writes it; outside of one there is nobody to write."""
    waiting = _waiting.get()
    if waiting is not None:
        waiting.append(Refusal(actor, action, ruling))


@contextmanager
def recorded(clock: Clock) -> Iterator[None]:
    """Write what was refused inside, when the work inside and its transaction are over."""
    waiting: list[Refusal] = []
    marker = _waiting.set(waiting)
    try:
        yield
    finally:
        _waiting.reset(marker)
        write(waiting, clock)


def write(waiting: list[Refusal], clock: Clock) -> None:
    """Write refusals, one leaf each, unless their actor has had his hundred in this minute."""
    for refusal in waiting:
        verdict = fold.count(refusal.actor.ref, clock.now())
        if verdict.folded:
            _leaf(refusal, clock, {"folded": verdict.folded})
        if verdict.is_written:
            _leaf(refusal, clock, {})


def _leaf(refusal: Refusal, clock: Clock, more: dict[str, int]) -> None:
    body: dict[str, Json] = {
        "action": refusal.action,
        "reason": str(refusal.ruling.reason),
        "policy": refusal.ruling.policy,
        "policy_version": refusal.ruling.policy_version,
        **more,
    }
    with tenant_transaction(refusal.actor.tenant):
        ledger.record(refusal.actor, "access.decision.refused", new_id(), clock=clock, out="refused", body=body)


@dataclass(frozen=True)
class Count:
    """Whether this refusal gets its own leaf, and how many of the minute before had none."""

    is_written: bool
    folded: int = 0


@dataclass
class Fold:
    """Counts by actor and minute, in this process."""

    per_minute_max: int = PER_MINUTE_MAX
    _minutes: dict[str, tuple[datetime, int]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def count(self, ref: str, at: datetime) -> Count:
        """Count one refusal of an actor. The first one of a later minute also reports what was folded before it."""
        minute = at.replace(second=0, microsecond=0)
        with self._lock:
            if len(self._minutes) > _ACTORS_MAX:
                self._minutes.clear()
            then, number = self._minutes.get(ref, (minute, 0))
            folded = max(0, number - self.per_minute_max) if then != minute else 0
            number = 1 if then != minute else number + 1
            self._minutes[ref] = (minute, number)
        return Count(is_written=number <= self.per_minute_max, folded=folded)


fold = Fold()
