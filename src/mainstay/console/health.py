"""The health of Mainstay itself, as `mainstay doctor` has it and as the application sees it.

Owns: the checks that need the database. Does not own: the checks of machine and engines (engines.checks).
"""

from datetime import timedelta

from django.conf import settings

from mainstay.console import health_lines
from mainstay.console.health_lines import Line
from mainstay.core.jobs import queries as jobs
from mainstay.core.ledger import queries as ledger
from mainstay.engines.checks import CHECKS, examine_all
from mainstay.engines.status import ProcessStatus, read_status
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock

JOB_LEASE_S = 60
WITNESS_AGE_MAX = timedelta(hours=24)


def checks(actor: Actor, clock: Clock) -> list[Line]:
    """Return every check, those that failed first."""
    machine = [Line(name, outcome.state, outcome.cause, outcome.fix) for name, outcome in examine_all(settings.LAYOUT, CHECKS)]
    lines = [*machine, _jobs(clock), *_ledger(actor, clock), *health_lines.lines(actor, settings.LAYOUT, clock.now())]
    return sorted(lines, key=lambda line: ("fail", "warn", "ok").index(line.state))


def processes() -> list[ProcessStatus]:
    """Return the processes as the supervisor last wrote them."""
    return read_status(settings.LAYOUT)["processes"]


def _jobs(clock: Clock) -> Line:
    queue = jobs.queue_health(clock.now())
    if queue.oldest_unclaimed_s > 2 * JOB_LEASE_S:
        return Line("jobs", "fail", f"a job has waited {queue.oldest_unclaimed_s:.0f} s for a worker", "look at log/worker.log")
    if queue.failed:
        return Line("jobs", "warn", f"{queue.failed} jobs failed for good", "look at log/worker.log")
    return Line("jobs", "ok", f"{queue.waiting} wait, {queue.running} run")


def _ledger(actor: Actor, clock: Clock) -> list[Line]:
    log = ledger.status(actor.tenant)
    if log is None:
        return [Line("ledger", "warn", "the log is not open yet", "it opens with its first entry")]
    if log.state != "open":
        return [Line("ledger", "fail", f"the log is {log.state}: {log.state_reason}", "mainstay ledger verify")]
    lines = [Line("ledger", "ok", f"{log.size} leaves under a signed checkpoint, {log.pending} waiting")]
    if log.cosigned_at is None:
        return [
            *lines,
            Line("witness", "warn", "nobody but this server vouches for the log", "let an agent join: it witnesses from then on"),
        ]
    if clock.now() - log.cosigned_at > WITNESS_AGE_MAX:
        return [*lines, Line("witness", "fail", "the last witness is older than a day", "look whether the witnessing agents are online")]
    return [*lines, Line("witness", "ok", f"{log.witnesses} witnesses, the last at leaf {log.cosigned_size}")]
