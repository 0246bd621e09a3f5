"""Background work in PostgreSQL: the outbox, tasks, schedules, the live stream's notices, the worker process.

Owns: how work is handed on, retried, abandoned visibly, and started at its time.
Does not own: what the work does; domains and flows bring functions, the wiring says which.
Invariant: work exists exactly when the change that asked for it was committed; each (event, consumer) takes effect once.
"""

from collections.abc import Callable, Iterable
from uuid import UUID

_tenants: list[Callable[[], Iterable[UUID]]] = []


def configure(*, tenants: Callable[[], Iterable[UUID]]) -> None:
    """Say how the sweeps learn of all tenants; done once, by the wiring. The last call counts."""
    _tenants[:] = [tenants]


def tenants() -> Iterable[UUID]:
    """Return the tenants whose events and schedules the sweeps look after."""
    return _tenants[0]() if _tenants else ()
