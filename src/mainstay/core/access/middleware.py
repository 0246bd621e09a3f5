"""The scope of a request: who acts, where, by which clock, in which transaction.

Owns: the client prefix `/c/<slug>/`, the actor of a session or token, the bound transaction, refusals as evidence.
Does not own: addresses that bind by themselves (agent endpoint) or that need nobody (static files, sign-in).
Invariant: a reading request cannot write; an answer of 400 or above has changed nothing; a foreign client's address
answers exactly like one that does not exist.
"""

from collections.abc import Awaitable, Callable
from typing import cast

from asgiref.sync import async_to_sync, iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import get_script_prefix, set_script_prefix

from mainstay.core.access import identity, refusals
from mainstay.core.access.problems import problem_response
from mainstay.core.access.requests import Request
from mainstay.core.tenancy.binding import bind
from mainstay.kernel.clock import SystemClock
from mainstay.kernel.errors import MainstayError, NotFound

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# These answer without a transaction of ours: files, and requests of agents, which prove and bind themselves.
UNBOUND = ("/static/", "/agent/v1/", "/healthz", "/favicon.ico")
# These answer without an actor: they are the way to become one.
PUBLIC = ("/hello/", "/account/")
_SCOPED = "/c/"

Handler = Callable[[Request], HttpResponseBase | Awaitable[HttpResponseBase]]


class ScopeMiddleware:
    """The innermost of the access chain: after sessions, CSRF and authentication."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: Request) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        return self._answer_async(request) if self.is_async else self._answer(request)

    async def _answer_async(self, request: Request) -> HttpResponseBase:
        """An agent waits long for its commands; it must not hold a thread while it does."""
        if request.path_info.startswith(UNBOUND):
            return await cast(Awaitable[HttpResponseBase], self.get_response(request))
        return await sync_to_async(self._answer, thread_sensitive=True)(request)

    def _answer(self, request: Request) -> HttpResponseBase:
        if request.path_info.startswith(UNBOUND):
            return self._next(request)
        request.clock = SystemClock()
        prefix = get_script_prefix()
        try:
            with refusals.recorded(request.clock):
                return _without_connection(self._place(request))
        except MainstayError as error:
            return problem_response(request, error)
        finally:
            set_script_prefix(prefix)

    def _next(self, request: Request) -> HttpResponseBase:
        if self.is_async:
            return async_to_sync(cast(Callable[[Request], Awaitable[HttpResponseBase]], self.get_response))(request)
        return cast(HttpResponseBase, self.get_response(request))

    def _place(self, request: Request) -> HttpResponseBase:
        """Find out where the request points and who sends it, then answer within that scope."""
        request.get_host()  # refuses a foreign Host header (DNS rebinding) before anything is looked up
        slug = _strip_scope(request)
        if request.path_info.startswith(PUBLIC):
            return self._public(request, slug)
        found = identity.of(request, slug)
        if isinstance(found, HttpResponse):
            return found
        request.actor = found.actor
        request.person = found.person
        request.tenant_scope = found.where.named
        return self._bound(request)

    def _public(self, request: Request, slug: str | None) -> HttpResponseBase:
        """Sign-in pages write accounts and sessions, which stand outside the wall, some of them while they are read.

        A tenant is bound only for a person who is signed in already, factor or not.
        """
        if slug is not None:
            raise NotFound("access.address_unknown", "There is nothing at this address.")
        identity.refresh_session(request)
        found = identity.signed_in(request)
        with transaction.atomic():
            if found is not None:
                request.actor, request.person, request.tenant_scope = found.actor, found.person, None
                bind(found.actor.tenant)
            return self._kept_if_well(request)

    def _bound(self, request: Request) -> HttpResponseBase:
        reads = request.method in SAFE_METHODS
        with transaction.atomic():
            bind(request.actor.tenant, readable=request.actor.readable, read_only=reads)
            return self._kept_if_well(request)

    def _kept_if_well(self, request: Request) -> HttpResponseBase:
        """Answer inside the running transaction and give it up when the answer is an error."""
        response = self._next(request)
        if response.status_code >= 400:
            transaction.set_rollback(True)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Translate our own errors where they leave a view; the status rolls the transaction back."""
        return problem_response(request, exception) if isinstance(exception, MainstayError) else None


def _without_connection(response: HttpResponseBase) -> HttpResponseBase:
    """Give the connection back before a body is streamed: Django would keep it to the last byte, and a live stream lasts for hours."""
    if response.streaming and not connection.in_atomic_block:
        connection.close()
    return response


def _strip_scope(request: HttpRequest) -> str | None:
    """Take `/c/<slug>` off the path and put it before every address that is built while answering."""
    if not request.path_info.startswith(_SCOPED):
        return None
    slug, slash, rest = request.path_info.removeprefix(_SCOPED).partition("/")
    if not slug or not slash:
        raise NotFound("access.address_unknown", "There is nothing at this address.")
    request.path_info = f"/{rest}"
    set_script_prefix(f"{get_script_prefix().rstrip('/')}/c/{slug}/")
    return slug
