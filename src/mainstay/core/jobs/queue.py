"""Tasks: functions that run later, in the worker, for one tenant.

Owns: the declaration of a task, deferring it in the caller's transaction, running it bound to its tenant.
Does not own: the worker process (`worker`), what a task does.
Invariant: a job carries the tenant and ids, never content; it is deferred on the caller's own connection, so it exists
exactly when the caller's change was committed. No procrastinate lock is used: a dead worker would keep it.
"""

import inspect
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from datetime import datetime
from typing import TypeAlias, get_type_hints
from uuid import UUID

from procrastinate.contrib.django import app as deferring_app

from mainstay.core.access.refusals import recorded
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.kernel import actors
from mainstay.kernel.clock import Clock

Id: TypeAlias = UUID | str | int
TASKS: dict[str, "Task"] = {}


class Task:
    """A declared task. Calling it runs the function itself; `defer` puts a job into the queue."""

    def __init__(self, name: str, run: Callable[..., None], *, queue: str, transaction: bool) -> None:
        self.name = name
        self.queue = queue
        self._run = run
        self._transaction = transaction
        hints = get_type_hints(run)
        self._parameters = {key: hints.get(key, str) for key in inspect.signature(run).parameters if key not in ("actor", "clock")}

    def __call__(self, *, actor: actors.Actor, clock: Clock, **ids: Id) -> None:
        self._run(actor=actor, clock=clock, **ids)

    def defer(self, tenant: UUID, *, at: datetime | None = None, **ids: Id) -> None:
        """Queue the task for a tenant, not before `at`, in the running transaction."""
        if set(ids) != set(self._parameters):
            raise TypeError(f"{self.name} takes {sorted(self._parameters)}, not {sorted(ids)}")
        arguments = {key: str(value) if isinstance(value, UUID) else value for key, value in ids.items()}
        deferring_app.configure_task(self.name, queue=self.queue, schedule_at=at).defer(tenant=str(tenant), **arguments)

    def perform(self, arguments: Mapping[str, str | int], clock: Clock) -> None:
        """Run a job's arguments in the worker, as the system, bound to the tenant unless the task opens its own transactions."""
        tenant = UUID(str(arguments["tenant"]))
        actor = actors.system("worker", tenant)
        ids = {key: UUID(str(arguments[key])) if kind is UUID else arguments[key] for key, kind in self._parameters.items()}
        transaction = tenant_transaction(tenant) if self._transaction else nullcontext()
        with recorded(clock), transaction:
            self._run(actor=actor, clock=clock, **ids)


def task(name: str, *, queue: str = "default", transaction: bool = True) -> Callable[[Callable[..., None]], Task]:
    """Declare `def verb(*, actor, clock, <ids>)` as a task, by a name that never changes.

    `transaction=False` is for tasks with outside effects, which open several short transactions of their own.
    """

    def declare(run: Callable[..., None]) -> Task:
        if name in TASKS:
            raise ValueError(f"two tasks are named {name}")
        TASKS[name] = Task(name, run, queue=queue, transaction=transaction)
        return TASKS[name]

    return declare
