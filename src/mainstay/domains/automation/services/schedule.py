"""Jobs that move runs. A job carries ids only; losing one costs at most one sweep.

Owns: by which name the work is deferred. The task bodies stand in `tasks.py`, above the services.
"""

from datetime import datetime
from uuid import UUID

from mainstay.core.jobs import queue

ADVANCE = "automation.advance_run"


def advance_soon(tenant: UUID, run_id: UUID) -> None:
    """Move the run as soon as this transaction is committed."""
    queue.TASKS[ADVANCE].defer(tenant, run_id=run_id)


def advance_at(tenant: UUID, run_id: UUID, at: datetime) -> None:
    """Look at the run again at an instant."""
    queue.TASKS[ADVANCE].defer(tenant, run_id=run_id, at=at)
