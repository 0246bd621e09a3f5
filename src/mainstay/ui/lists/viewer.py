"""The viewer of a request: instant, zone and identity that relative filters refer to."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.http import HttpRequest

from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.ui.lists.values import Viewer

ZONE_COOKIE = "ms_zone"


def actor_of(request: HttpRequest) -> Actor:
    """Return the actor that the scope middleware has put on the request."""
    actor: Actor = request.actor  # type: ignore[attr-defined]  # set by core.access.middleware
    return actor


def clock_of(request: HttpRequest) -> Clock:
    clock: Clock = request.clock  # type: ignore[attr-defined]  # set by core.access.middleware
    return clock


def viewer_of(request: HttpRequest) -> Viewer:
    """Return who looks. The zone is a preference without content: the browser names its own in a cookie."""
    actor = actor_of(request)
    return Viewer(now=clock_of(request).now(), zone=viewer_zone(request), ref=actor.ref, person_id=actor.person_id)


def viewer_zone(request: HttpRequest) -> ZoneInfo:
    """Return the viewer's time zone; UTC while the browser has not named one."""
    return _zone(request.COOKIES.get(ZONE_COOKIE, ""))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
