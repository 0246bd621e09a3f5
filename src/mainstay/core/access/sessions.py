"""How long a browser session lives, and how it was proved.

Owns: idle and absolute limits, the mark of a one-time link. Does not own: factors and their checks (allauth).
Source: security page, section 2 rule 14; HIPAA 164.312(a)(2)(iii).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from allauth.account.authentication import get_authentication_records
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest

IDLE_MAX = timedelta(minutes=15)
ABSOLUTE_MAX = timedelta(hours=12)
STEP_UP_MAX = timedelta(minutes=5)
# The last-seen mark is written at most this often: a page that reloads parts of itself must not write a row each second.
SEEN_STEP = timedelta(seconds=30)

OPENED, SEEN, BY_LINK = "mainstay_opened_at", "mainstay_seen_at", "mainstay_by_link"


@dataclass(frozen=True)
class Proof:
    """What a session has proved: a second factor (or a passkey, which is two in one), or a link from the console."""

    has_factor: bool
    has_link: bool


def is_over(session: SessionBase, at: datetime) -> bool:
    """Tell whether a session has ended by its idle or its absolute limit."""
    opened, seen = _instant(session, OPENED), _instant(session, SEEN)
    if opened is None or seen is None:
        return False
    return at - opened >= ABSOLUTE_MAX or at - seen >= IDLE_MAX


def begin(session: SessionBase, at: datetime, *, by_link: bool = False) -> None:
    """Start the clocks of a fresh session."""
    session[OPENED] = session[SEEN] = at.timestamp()
    session[BY_LINK] = by_link


def touch(request: HttpRequest, at: datetime) -> None:
    """Note that a person did something. What a page does by itself (charts, live parts) does not count."""
    if OPENED not in request.session:
        begin(request.session, at)
        return
    seen = _instant(request.session, SEEN)
    if not _is_background(request) and (seen is None or at - seen >= SEEN_STEP):
        request.session[SEEN] = at.timestamp()


def proof(request: HttpRequest) -> Proof:
    """Return what this session has proved so far."""
    records = get_authentication_records(request, request.user)
    return Proof(
        has_factor=any(one.get("method") == "mfa" for one in records),
        has_link=bool(request.session.get(BY_LINK)),
    )


def _is_background(request: HttpRequest) -> bool:
    if request.method not in ("GET", "HEAD"):
        return False
    return "X-Mainstay-Background" in request.headers or (
        request.headers.get("Sec-Fetch-Dest") == "empty" and "HX-Request" not in request.headers
    )


def _instant(session: SessionBase, name: str) -> datetime | None:
    value = session.get(name)
    return datetime.fromtimestamp(value, tz=UTC) if isinstance(value, int | float) else None
