"""Refused agent requests are counted by code and hour."""

from uuid import UUID

from django.db import connection

from mainstay.core.tenancy.ids import new_id
from mainstay.kernel.clock import Clock

_UPSERT = """
INSERT INTO estate_refusal (id, code, hour, count, first_device, last_at) VALUES (%s, %s, %s, 1, %s, %s)
ON CONFLICT (code, hour) DO UPDATE SET count = estate_refusal.count + 1, last_at = EXCLUDED.last_at,
    first_device = COALESCE(estate_refusal.first_device, EXCLUDED.first_device)
"""


def count_refusal(code: str, *, clock: Clock, device_id: UUID | None = None) -> None:
    """Count one refused request. There is nobody to authorise: the caller is the door itself, and only a number moves."""
    now = clock.now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    with connection.cursor() as cursor:
        cursor.execute(_UPSERT, [new_id(), code[:40], hour, device_id, now])
