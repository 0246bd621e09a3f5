"""What intake must know before a tenant is known, and what it refused."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet, Sum

from mainstay.domains.estate.models import Refusal, Route


@dataclass(frozen=True)
class Home:
    """Where a key or a code belongs."""

    tenant: UUID
    device_id: UUID | None


def key_home(key_id: str) -> Home | None:
    """Return tenant and device of a transport key id, or None. Needs no bound tenant."""
    return _home(Route.Kind.KEY, key_id)


def code_home(code_id: str) -> Home | None:
    """Return the tenant of an enrolment code's public first group, or None. Needs no bound tenant."""
    return _home(Route.Kind.CODE, code_id)


def refusals(since: datetime) -> QuerySet[Refusal]:
    """Return the refused agent requests by code and hour, newest first."""
    return Refusal.objects.filter(hour__gte=since).order_by("-hour", "code")


def refused_since(since: datetime) -> dict[str, int]:
    """Return how many agent requests were refused since an instant, by code."""
    rows = Refusal.objects.filter(last_at__gte=since).values("code").annotate(total=Sum("count"))
    return {str(row["code"]): int(row["total"]) for row in rows}


def _home(kind: str, handle: str) -> Home | None:
    row = Route.objects.filter(kind=kind, handle=handle).values_list("home", "device").first()
    return Home(*row) if row is not None else None
