"""The ASGI application of the agent endpoint. It stands beside Django: no session, no middleware, no thread per waiting poll.

Owns: reading bodies within their limits, routing, the order "store, then answer", the held poll.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction

from mainstay.connectors.agent.intake import poll, streams
from mainstay.connectors.agent.intake.enrolment import Enrolment
from mainstay.connectors.agent.intake.gate import Caller, Incoming, admit
from mainstay.connectors.agent.intake.limits import BODY_BYTES_MAX, expand, parse, too_large
from mainstay.connectors.agent.intake.replies import Answer, ReplyKey, of_error, refusal
from mainstay.connectors.agent.intake.wake import Wake
from mainstay.core.tenancy.binding import bind
from mainstay.domains.automation import queries as automation
from mainstay.domains.estate import services as estate
from mainstay.domains.telemetry import services as telemetry
from mainstay.engines.layout import Layout
from mainstay.kernel.clock import Clock, SystemClock
from mainstay.kernel.errors import MainstayError, NotFound
from mainstay.kernel.json import Json
from mainstay_trust.errors import Rejected

PREFIX = "/agent/v1"
ROUTES = {
    "enrol/hello": "POST",
    "enrol/join": "POST",
    "poll": "POST",
    "ingest": "POST",
    "results": "POST",
    "docs": "GET",
    "doc/<sha256>": "GET",
}
THREADS = 8
BLANK_EVERY_S = 25.0
PROOF_WAIT_S, PROOF_STEP_S = 5.0, 0.2
_STATUS_OK = 200
# Not refusals of ours but the ordinary course of a stream.
_UNCOUNTED = frozenset({"out_of_order"})

log = logging.getLogger(__name__)
T = TypeVar("T")


def make_app(reply_seed: bytes, layout: Layout, *, clock: Clock | None = None) -> "AgentApp":
    """Return the ASGI application for `/agent/v1/*`; it also answers the lifespan protocol of the whole web process."""
    return AgentApp(ReplyKey(reply_seed), layout, clock or SystemClock())


class AgentApp:
    """One per web process."""

    def __init__(self, key: ReplyKey, layout: Layout, clock: Clock) -> None:
        self._key = key
        self._layout = layout
        self._clock = clock
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="agent")
        self._wake = Wake(lambda: layout.database_url("app"))
        self._seen = poll.Seen()
        self._enrolment = Enrolment(reply_public=key.public, tls_folder=layout.tls)

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            self._start()
            await self._serve(scope, receive, send)

    # --- life --------------------------------------------------------------------------------------------------------

    async def _lifespan(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._start()
                await send({"type": "lifespan.startup.complete"})
            else:
                self._wake.stop()
                await asyncio.to_thread(telemetry.stop_recorder)
                await send({"type": "lifespan.shutdown.complete"})
                return

    def _start(self) -> None:
        telemetry.start_recorder(self._layout.spool("web"))
        self._wake.start()

    # --- one request -------------------------------------------------------------------------------------------------

    async def _serve(self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        try:
            incoming = await _read(scope, receive)
        except MainstayError as error:
            code, answer = error.code, of_error(error)
            await self._in_thread(lambda: self._count(code))
            await _send(send, answer, self._key.seal(answer, b"", self._clock.now()))
            return
        if incoming.path == f"{PREFIX}/poll":
            await self._poll(incoming, send)
            return
        answer = await self._in_thread(lambda: self._answer(incoming))
        await _send(send, answer, self._sealed(incoming, answer))

    def _answer(self, incoming: Incoming) -> Answer:
        """Answer a request that does not wait. Runs in a thread."""
        name = incoming.path.removeprefix(f"{PREFIX}/")
        if name == "enrol/hello":
            return self._guarded(lambda: Answer(_STATUS_OK, self._enrolment.hello(incoming, self._clock)))
        if name == "enrol/join":
            return self._guarded(lambda: Answer(_STATUS_OK, self._enrolment.join(incoming, self._clock)))
        return self._guarded(lambda: Answer(_STATUS_OK, self._stored(incoming, _handler(incoming.method, name))))

    def _stored(self, incoming: Incoming, handle: "_Handler") -> dict[str, Json]:
        with transaction.atomic():
            return handle(admit(incoming, self._clock), incoming, self._clock)

    # --- the held poll -----------------------------------------------------------------------------------------------

    async def _poll(self, incoming: Incoming, send: ASGISendCallable) -> None:
        begun = await self._in_thread(lambda: self._open(incoming))
        if isinstance(begun, Answer):
            await _send(send, begun, self._sealed(incoming, begun))
            return
        await _begin(send, _STATUS_OK, {})
        answer = await self._wait(begun, send)
        await send({"type": "http.response.body", "body": self._sealed(incoming, answer), "more_body": False})

    def _open(self, incoming: Incoming) -> "poll.Opened | Answer":
        """Store what rides in a poll; an Answer means that it was refused. Runs in a thread."""
        opened: list[poll.Opened] = []

        def store() -> Answer:
            with transaction.atomic():
                caller = admit(incoming, self._clock)
                opened.append(poll.open_poll(caller, parse(incoming.expanded), incoming.body, self._seen, self._clock))
            return Answer(_STATUS_OK)

        answer = self._guarded(store, seq=_seq_of(incoming))
        return opened[0] if answer.error is None else answer

    async def _wait(self, opened: poll.Opened, send: ASGISendCallable) -> Answer:
        """Hold the poll until there is something to say or its time is over; a blank now and then keeps proxies patient."""
        loop = asyncio.get_running_loop()
        until = loop.time() + opened.wait_s
        patience = loop.time() + PROOF_WAIT_S
        with self._wake.event_of(opened.caller.device.id.hex) as event:
            while True:
                event.clear()
                found = await self._in_thread(lambda: self._look(opened))
                if isinstance(found, Answer):
                    return found
                is_waiting = found.is_waiting and loop.time() < patience
                if found.is_due or (not is_waiting and loop.time() >= until):
                    return Answer(_STATUS_OK, found.data, seq=opened.seq)
                step = PROOF_STEP_S if is_waiting else min(BLANK_EVERY_S, max(until - loop.time(), 0.0))
                if not await _is_set_within(event, step) and not is_waiting:
                    await send({"type": "http.response.body", "body": b" ", "more_body": True})

    def _look(self, opened: poll.Opened) -> "poll.Look | Answer":
        found: list[poll.Look] = []

        def gather() -> Answer:
            with transaction.atomic():
                bind(opened.caller.tenant)
                found.append(poll.look(opened, self._clock))
            return Answer(_STATUS_OK)

        answer = self._guarded(gather, seq=opened.seq)
        return found[0] if answer.error is None else answer

    # --- refusals ----------------------------------------------------------------------------------------------------

    def _guarded(self, work: Callable[[], Answer], *, seq: int | None = None) -> Answer:
        """Run work that may be refused, and count the refusal."""
        try:
            return work()
        except Rejected as error:
            self._count(error.code)
            return refusal(error.code, error.detail, status=_status_of(error.code), seq=seq)
        except MainstayError as error:
            if error.status < 500:
                self._count(error.code)
            return of_error(error, seq)
        except (OperationalError, InterfaceError):
            connection.close()
            return refusal("database_away", "The database does not answer; send it again later.", status=503, seq=seq)
        except Exception:  # process boundary: one agent's request must not end the web process
            log.exception("an agent request failed")
            connection.close()
            return refusal("server_error", "The server made a mistake; it is in its log. Send it again later.", status=503, seq=seq)

    def _count(self, code: str) -> None:
        if code in _UNCOUNTED:
            return
        try:
            estate.count_refusal(code, clock=self._clock)
        except DatabaseError:
            connection.close()
            log.warning("a refused agent request (%s) could not be counted", code)

    def _sealed(self, incoming: Incoming, answer: Answer) -> bytes:
        return self._key.seal(answer, incoming.body, self._clock.now())

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


_Handler = Callable[[Caller, Incoming, Clock], dict[str, Json]]


def _handler(method: str, name: str) -> _Handler:
    if (method, name) == ("POST", "ingest"):
        return lambda caller, incoming, clock: streams.ingest(caller, parse(incoming.expanded), clock)
    if (method, name) == ("POST", "results"):
        return lambda caller, incoming, clock: streams.results(caller, parse(incoming.expanded), clock)
    if (method, name) == ("GET", "docs"):
        return lambda caller, incoming, clock: _documents(caller, clock)
    if method == "GET" and name.startswith("doc/"):
        return lambda caller, incoming, clock: _document(caller, name.removeprefix("doc/"))
    raise NotFound("not_found", "There is no such address.")


def _documents(caller: Caller, clock: Clock) -> dict[str, Json]:
    found = automation.documents(caller.tenant)
    orders: list[Json] = [order.envelope for order in automation.orders(caller.tenant, clock.now())]
    return {"roots": found["roots"], "policy": found["policy"], "orders": orders}


def _document(caller: Caller, sha256: str) -> dict[str, Json]:
    envelope = automation.document_by_sha(caller.tenant, sha256)
    if envelope is None:
        raise NotFound("not_found", "There is no such document.")
    return {"envelope": envelope}


async def _read(scope: HTTPScope, receive: ASGIReceiveCallable) -> Incoming:
    """Read a request, stopping at the limit. Errors: TooLarge, Invalid."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            break
        size += len(message.get("body", b""))
        if size > BODY_BYTES_MAX:
            raise too_large("body", BODY_BYTES_MAX)
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    body = b"".join(parts)
    query = scope["query_string"].decode("latin-1")
    expanded = expand(body, headers.get("content-encoding", ""))
    return Incoming(scope["method"], scope["path"], query, headers, body, expanded, scope.get("scheme") == "https")


async def _begin(send: ASGISendCallable, status: int, extra: Mapping[str, str]) -> None:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store", "X-Accel-Buffering": "no", **extra}
    listed = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": listed, "trailers": False})


async def _send(send: ASGISendCallable, answer: Answer, body: bytes) -> None:
    await _begin(send, answer.status, {"Content-Length": str(len(body)), **answer.headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


def _seq_of(incoming: Incoming) -> int | None:
    """A refused poll is answered under its own number too, if it has one."""
    try:
        seq = parse(incoming.expanded).get("seq")
    except MainstayError:
        return None
    return seq if isinstance(seq, int) and not isinstance(seq, bool) else None


def _status_of(code: str) -> int:
    return {"clock_skew": 401, "unknown_key": 401, "bad_signature": 401, "too_large": 413}.get(code, 400)
