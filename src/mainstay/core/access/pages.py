"""The way in: the one-time link, and the page that asks for a factor afterwards.

Owns: `/hello/<token>` and `/account/welcome/`. Everything else under `/account/` is allauth's, in our templates.
"""

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.utils import is_mfa_enabled
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from mainstay.core.access import identity, sessions
from mainstay.core.access.forms import HelloForm
from mainstay.core.access.models import OneTimeLink, Person
from mainstay.core.access.requests import Request
from mainstay.core.access.services import links
from mainstay.kernel.errors import Refused


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def hello(request: Request, token: str) -> HttpResponse:
    """Show one button, and sign in when it is pressed: a mail scanner or a preview that only reads uses nothing up."""
    _only_on_loopback(request)
    link = links.find_link(token, request.clock)
    is_first = link.purpose == OneTimeLink.Purpose.FIRST_OWNER
    form = HelloForm(request.POST or None, is_first=is_first)
    if request.method != "POST" or not form.is_valid():
        return render(
            request, "access/hello.html", {"form": form, "is_first": is_first, "person": link.person}, status=422 if form.errors else 200
        )
    used = links.use_link(secret=token, name=form.said("name"), login=form.said("login"), clock=request.clock)
    _sign_in(request, used.person)
    return redirect("/" if is_mfa_enabled(used.person) else reverse("access:welcome"))


@login_required
@require_safe
def welcome(request: Request) -> HttpResponse:
    """Offer a passkey, or a password with an authenticator app, or later."""
    return render(
        request, "access/welcome.html", {"is_loopback": identity.is_loopback(request), "has_factor": is_mfa_enabled(request.user)}
    )


def _only_on_loopback(request: Request) -> None:
    if not identity.is_loopback(request):
        raise Refused("access.link_loopback_only", "A link from the console signs in on this machine only: open it at localhost.")


def _sign_in(request: Request, person: Person) -> None:
    """Open a session that is marked as proved by the console: it stays on loopback until a factor is added."""
    person.backend = "allauth.account.auth_backends.AuthenticationBackend"
    get_adapter(request).login(request, person)
    record_authentication(request, person, method="link", reauthenticated=True)
    sessions.begin(request.session, request.clock.now(), by_link=True)


urlpatterns: list[URLPattern] = [
    path("hello/<str:token>", hello, name="hello"),
    path("account/welcome/", welcome, name="welcome"),
]
