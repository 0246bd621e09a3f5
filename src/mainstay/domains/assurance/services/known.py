"""What an audit leaves behind for the next one: which findings are open, since when, and which are gone.

Invariant: an owner, a ticket and a taken risk stay with a finding as long as it is open; when it returns, its time begins again.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any  # findings of a report, as JSON

from mainstay.domains.assurance.models import AuditRun, Finding
from mainstay.domains.assurance.rules.findings import failing_ids
from mainstay.domains.assurance.rules.judged import Severity
from mainstay.domains.assurance.rules.report import Composed


def keep_found(run: AuditRun, composed: Composed) -> dict[str, Finding]:
    """Bring the findings of a run up to date, or make them, and return them by key."""
    rows = composed.document["findings"]
    known = {one.key: one for one in Finding.objects.select_for_update().filter(tenant=run.tenant, key__in=[row["id"] for row in rows])}
    failing = {one.check.id: failing_ids(one) for one in composed.failing}
    kept = {}
    for row in rows:
        kept[row["id"]] = _keep(run, row, known.get(row["id"]), failing[row["check"]])
    return kept


def keep_fixed(run: AuditRun, keys: Sequence[str]) -> None:
    """Close what is gone."""
    gone = Finding.objects.filter(tenant=run.tenant, key__in=keys)
    gone.update(state=Finding.State.FIXED, fixed_at=run.as_of, last_run=run.id)


def _keep(run: AuditRun, row: Mapping[str, Any], known: Finding | None, failing: Sequence[str]) -> Finding:
    one = known or Finding(tenant=run.tenant, key=row["id"], first_seen=run.as_of, state=Finding.State.OPEN)
    if one.state == Finding.State.FIXED:
        one.first_seen, one.fixed_at = run.as_of, None
    one.check_id, one.version, one.area = row["check"], row["version"], row["area"]
    one.kind, one.scope_id, one.scope_name = run.kind, run.scope_id, run.scope_name
    one.severity, one.title, one.seen = Severity(row["severity"]).rank + 1, row["title"][:200], row["seen"]
    one.subjects, one.failing, one.effort_min = row["subjects"]["count"], list(failing), row["effort_min"]
    one.state = Finding.State.ACCEPTED if row["exception"] else Finding.State.OPEN
    one.change, one.due = row["change"], date.fromisoformat(row["due"])
    one.last_seen, one.last_run = run.as_of, run.id
    one.save(force_insert=known is None)
    return one
