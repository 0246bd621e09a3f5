"""This process's engine."""

from functools import cache

from django.conf import settings

from mainstay.domains.telemetry.models.engine import Engine


@cache
def engine() -> Engine:
    """Return the engine of this installation."""
    return Engine(lambda: str(settings.LAYOUT.telemetry_url()))
