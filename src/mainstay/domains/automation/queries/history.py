"""How runbooks did here: the measured share that the audit multiplies saved minutes with."""

from datetime import datetime
from uuid import UUID

from django.db.models import Count, Q

from mainstay.domains.automation.models import Run
from mainstay.domains.automation.rules.definitions import RUNBOOKS


def success_by_trigger(tenant: UUID, since: datetime) -> dict[str, tuple[str, int, int]]:
    """Return for each trigger of a runbook its name, its verified runs and all its runs since an instant."""
    ended = Run.objects.filter(tenant=tenant, started_at__gte=since, ended_at__isnull=False).values("definition")
    counts = {
        row["definition"]: (row["good"], row["all"])
        for row in ended.annotate(all=Count("id"), good=Count("id", filter=Q(state="succeeded")))
    }
    return {one.trigger: (one.name, *counts.get(one.name, (0, 0))) for one in RUNBOOKS.values()}
