"""Who sends a request: a person with a session, or a program with a token.

Owns: the order in which credentials are read, and what a session without a second factor may still see.
Does not own: how a factor is proved (allauth), the transaction (middleware).
Invariant: a request that brings a token is judged by the token alone, so a browser's cookie never widens it.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from urllib.parse import quote

from allauth.mfa.utils import is_mfa_enabled
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import CsrfViewMiddleware
from django.urls import reverse

from mainstay.core.access import queries, sessions, tokens
from mainstay.core.access.models import Person, Token
from mainstay.core.access.problems import unauthenticated, wants_json
from mainstay.core.access.requests import Request
from mainstay.core.access.roles import FACTOR_COMPULSORY
from mainstay.kernel.actors import Actor, Via
from mainstay.kernel.errors import Refused

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
LAST_USED_STEP = timedelta(minutes=1)


@dataclass(frozen=True)
class Found:
    """The sender of a request and where it stands."""

    actor: Actor
    where: queries.Scope
    person: Person | None = None


def of(request: Request, slug: str | None) -> Found | HttpResponse:
    """Return the sender, or the answer that asks for credentials. Errors: NotFound, Refused."""
    header = request.headers.get("Authorization", "")
    if header:
        return _by_token(request, header, slug) or unauthenticated(request)
    refresh_session(request)
    if not isinstance(request.user, Person):
        return unauthenticated(request) if wants_json(request) else _to_sign_in(request)
    return _by_session(request, request.user, slug)


def signed_in(request: Request) -> Found | None:
    """Return the person of a session as an actor at home, whatever has been proved so far; None when there is none."""
    if not isinstance(request.user, Person):
        return None
    person = request.user
    reach = queries.reach_of_person(person, request.clock.now())
    where = queries.scope(reach, person.home_id, None)
    return Found(queries.actor_of_person(person, reach, where, Via.WEB), where, person)


def refresh_session(request: Request) -> None:
    """End a session whose time is over; note the use of a living one."""
    if not request.user.is_authenticated:
        return
    at = request.clock.now()
    if sessions.is_over(request.session, at):
        logout(request)
        return
    sessions.touch(request, at)


def _by_session(request: Request, person: Person, slug: str | None) -> Found | HttpResponse:
    _check_csrf(request)
    reach = queries.reach_of_person(person, request.clock.now())
    where = queries.scope(reach, person.home_id, slug)
    missing = _missing_factor(request, person, reach)
    if missing is not None:
        return missing
    return Found(queries.actor_of_person(person, reach, where, Via.WEB), where, person)


def _missing_factor(request: Request, person: Person, reach: queries.Reach) -> HttpResponse | None:
    """A password alone is not enough for the roles that need a second factor; a console link on loopback is.

    Errors: Refused for a link session that left the loopback interface.
    """
    proof = sessions.proof(request)
    if proof.has_factor:
        return None
    if proof.has_link:
        if not is_loopback(request):
            raise Refused("access.link_loopback_only", "A link from the console signs in on this machine only: open it at localhost.")
        return None
    if not needs_factor(reach):
        return None
    if wants_json(request):
        raise Refused("access.factor_missing", "Your role needs a second factor: add a passkey or an authenticator app first.")
    return HttpResponseRedirect(reverse("mfa_index") if not is_mfa_enabled(person) else reverse("account_login"))


def needs_factor(reach: queries.Reach) -> bool:
    """Tell whether any role held needs a second factor."""
    return any(roles & FACTOR_COMPULSORY for roles in reach.values())


def is_loopback(request: Request) -> bool:
    """Tell whether the request came to, and from, this machine itself."""
    host = request.get_host()
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return name in LOOPBACK_HOSTS and _is_loopback_address(request.META.get("REMOTE_ADDR", ""))


def _is_loopback_address(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return text == ""  # a unix socket has no address


def _by_token(request: Request, header: str, slug: str | None) -> Found | None:
    """Errors: NotFound for a client out of reach. None: no valid token; which part was wrong is not told."""
    scheme, _, text = header.partition(" ")
    presented = tokens.read(text.strip()) if scheme.lower() == "bearer" else None
    if presented is None:
        return None
    at = request.clock.now()
    token = queries.live_token(presented.key_id, at)
    if token is None or not compare_digest(bytes(token.secret_sha256), presented.secret_sha256):
        return None
    if not _is_from(request.META.get("REMOTE_ADDR", ""), token.networks):
        return None
    _note_use(token, at)
    reach = queries.reach_of_token(token, at)
    where = queries.scope(reach, token.home_id, slug)
    return Found(queries.actor_of_token(token, reach, where), where, token.owner)


def _is_from(address: str, networks: Iterable[str] | None) -> bool:
    if networks is None:
        return True
    try:
        one = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(one in ipaddress.ip_network(network) for network in networks)


def _note_use(token: Token, at: datetime) -> None:
    """Keep the last use to the minute, outside the request's own transaction, which may be read-only."""
    if token.last_used_at is None or at - token.last_used_at >= LAST_USED_STEP:
        Token.objects.filter(id=token.id).update(last_used_at=at)


def _check_csrf(request: Request) -> None:
    """API views are exempt from Django's check for the sake of tokens; a session's cookie is never exempt.

    Errors: Refused("access.csrf").
    """
    if CsrfViewMiddleware(_unreachable).process_view(request, _unreachable, (), {}) is not None:
        raise Refused("access.csrf", "The form is too old or came from another site: load the page again and repeat.")


def _unreachable(request: HttpRequest) -> HttpResponse:
    raise AssertionError("the CSRF check never calls the view")


def _to_sign_in(request: Request) -> HttpResponse:
    """Send a person to the sign-in page and back. A fragment cannot show it, so htmx is told to load the whole page."""
    address = f"{reverse('account_login')}?next={quote(request.get_full_path())}"
    if "HX-Request" in request.headers:
        response = HttpResponse(status=401)
        response["HX-Redirect"] = address
        return response
    return HttpResponseRedirect(address)
