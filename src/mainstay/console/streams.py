"""The live stream as an address: who may follow what.

Owns: the translation of a request into a stream. Does not own: the fan-out (ui.live).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest, StreamingHttpResponse
from django.views.decorators.http import require_GET

from mainstay.core.access import queries as access
from mainstay.core.access.models import Person
from mainstay.core.access.services import require
from mainstay.core.jobs import live as notices
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Invalid, Unavailable
from mainstay.ui import live
from mainstay.ui.lists.viewer import actor_of, clock_of

REACH_FOR_S = 2.0


@require_GET
def stream(request: HttpRequest) -> StreamingHttpResponse:
    """Open a stream of change notices. Errors: Invalid("live.bad_topics")."""
    actor = actor_of(request)
    require(actor, "access.tenant.read")
    try:
        topics = live.read_topics(request.GET.get("topics", ""))
    except ValueError as problem:
        raise Invalid("live.bad_topics", f"The stream cannot be opened: {problem}.", pointer="topics") from problem
    answer = StreamingHttpResponse(_events(actor, topics, clock_of(request)), content_type="text/event-stream")
    answer["Cache-Control"] = "no-store"
    # A compressed stream would keep events back until the compressor's window is full.
    answer["Content-Encoding"] = "identity"
    answer["X-Accel-Buffering"] = "no"
    return answer


async def _events(actor: Actor, topics: frozenset[str], clock: Clock) -> AsyncIterator[str]:
    hub = live.hub_of_this_loop(_listen)
    if hub.is_full:
        raise Unavailable("live.too_many_streams", "Too many pages are open; they refresh by themselves every 15 seconds.")
    one = live.Stream(frozenset(actor.readable), topics)
    async for message in live.messages(hub, one, may_go_on=_rights_of(actor, clock)):
        yield message


def _listen() -> AsyncIterator[notices.Change]:
    return notices.listen(settings.LAYOUT.database_url("app"))


def _rights_of(actor: Actor, clock: Clock) -> Callable[[], Awaitable[bool]]:
    """Return the question whether the actor may still read all that its stream follows. Parts of the system always may."""
    person_id, needed = actor.person_id, frozenset(actor.readable)

    async def still() -> bool:
        return person_id is None or needed <= await _reaches.of(person_id, clock)

    return still


class _Reaches:
    """What people may read now, asked once for all tabs of a person: five hundred tabs are not five hundred questions."""

    def __init__(self) -> None:
        self._known: dict[UUID, tuple[float, asyncio.Future[frozenset[UUID]]]] = {}

    async def of(self, person_id: UUID, clock: Clock) -> frozenset[UUID]:
        now = asyncio.get_running_loop().time()
        asked_at, answer = self._known.get(person_id, (now - REACH_FOR_S, None))
        if answer is None or now - asked_at >= REACH_FOR_S:
            self._forget(now)
            answer = asyncio.ensure_future(sync_to_async(_reach)(person_id, clock))
            self._known[person_id] = (now, answer)
        return await asyncio.shield(answer)

    def _forget(self, now: float) -> None:
        self._known = {one: known for one, known in self._known.items() if now - known[0] < REACH_FOR_S}


def _reach(person_id: UUID, clock: Clock) -> frozenset[UUID]:
    person = Person.objects.select_related("home").filter(id=person_id, is_active=True).first()
    return frozenset(access.reach_of_person(person, clock.now())) if person else frozenset()


_reaches = _Reaches()
