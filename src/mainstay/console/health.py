"""The health of Mainstay itself, as `mainstay doctor` has it and as the application sees it.

Owns: the checks that need the database. Does not own: the checks of machine and engines (engines.checks).
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from mainstay.console import health_lines
from mainstay.console.health_lines import Line
from mainstay.core.access import queries as access
from mainstay.core.jobs import queries as jobs
from mainstay.core.ledger import queries as ledger
from mainstay.engines.checks import CHECKS, examine_all
from mainstay.engines.status import ProcessStatus, read_status
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock

JOB_LEASE_S = 60
LISTED_MAX = 5
WITNESS_AGE_MAX = timedelta(hours=24)


def checks(actor: Actor, clock: Clock) -> list[Line]:
    """Return every check, those that failed first."""
    machine = [Line(name, outcome.state, outcome.cause, outcome.fix) for name, outcome in examine_all(settings.LAYOUT, CHECKS)]
    lines = [*machine, _jobs(clock), *_ledger(actor, clock), *_logs(clock), *health_lines.lines(actor, settings.LAYOUT, clock.now())]
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


def _logs(clock: Clock) -> list[Line]:
    """Judge every log that the caller may read; for `mainstay doctor` these are all logs of the installation."""
    logs = ledger.estate_of_logs(clock.now())
    return [closed_logs(logs, _label), unsequenced_entries(logs, _label), self_checks(logs, clock.now())]


def closed_logs(logs: ledger.Estate, label: Callable[[UUID], str]) -> Line:
    if not logs.closed:
        return Line("logs", "ok", f"{logs.logs} logs are open")
    listed = "; ".join(f"{label(one.tenant)}: {one.reason}" for one in logs.closed[:LISTED_MAX])
    cause = f"{len(logs.closed)} of {logs.logs} logs are closed for writing: {listed}"
    return Line("logs", "fail", cause, "nothing of these tenants can be changed until it is known why: mainstay ledger verify")


def unsequenced_entries(logs: ledger.Estate, label: Callable[[UUID], str]) -> Line:
    if not logs.unsequenced:
        return Line("unsequenced", "ok", "no entry has waited longer than 60 s for its leaf")
    listed = ", ".join(f"{label(tenant)} {number}" for tenant, number in list(logs.unsequenced.items())[:LISTED_MAX])
    return Line("unsequenced", "fail", f"entries that have waited longer than 60 s for their leaf: {listed}", "look at log/worker.log")


def self_checks(logs: ledger.Estate, now: datetime) -> Line:
    if logs.check_overdue:
        cause = f"{logs.check_overdue} of {logs.logs} logs were not recomputed for three hours"
        return Line("self-check", "warn", cause, "look at log/worker.log")
    if logs.oldest_check_at is None:
        return Line("self-check", "ok", "the first hourly self-check of the logs has not ended yet")
    age_min = (now - logs.oldest_check_at).total_seconds() / 60
    cause = f"{logs.leaves} leaves of {logs.checked} logs recomputed, {logs.bodies} bodies opened, the oldest {age_min:.0f} min ago"
    return Line("self-check", "ok", cause)


def _label(tenant: UUID) -> str:
    return "the installation itself" if tenant == ledger.PLATFORM else access.tenant(tenant).slug


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
