"""What we ask of allauth beyond its settings: evidence of sign-ins, no self-registration, sealed authenticator secrets.

Owns: the two adapters named in the settings. Invariant: every opened and every refused session has its ledger entry in the
same transaction.
"""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any  # allauth's hooks are untyped
from uuid import UUID

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.mfa.adapter import DefaultMFAAdapter
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.http import HttpRequest

from mainstay.core.access import sessions
from mainstay.core.access.models import Person
from mainstay.core.ledger import sealing
from mainstay.core.ledger import services as ledger
from mainstay.core.tenancy.binding import bind, bound_tenant
from mainstay.core.tenancy.ids import new_id
from mainstay.kernel.actors import Actor, ActorKind, Via, system
from mainstay.kernel.clock import SystemClock
from mainstay.kernel.sealing import Place


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc] # allauth ships no types
    """Sign-in by name, without mail."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """People are added by people; nobody registers."""
        return False

    def login(self, request: HttpRequest, user: AbstractBaseUser) -> None:
        """Open a session: a new key, fresh clocks, and an entry in the person's own log."""
        super().login(request, user)
        assert isinstance(user, Person)  # noqa: S101 - AUTH_USER_MODEL
        clock = SystemClock()
        sessions.begin(request.session, clock.now())
        actor = Actor(kind=ActorKind.PERSON, ref=user.pseudonym, tenant=user.home_id, via=Via.WEB, person_id=user.id)
        methods = [f"{one.get('method')}:{one.get('type', '')}".rstrip(":") for one in get_authentication_records(request, user)]
        with _bound_to(user.home_id):
            ledger.record(
                actor, "access.session.opened", new_id(), clock=clock, body={"methods": methods, "ip": self.get_client_ip(request)}
            )

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Keep a wrong password as evidence: in the log of whoever was meant, else in the platform's."""
        super().authentication_failed(request, **credentials)
        typed = str(credentials.get("username", ""))[:150]
        meant = Person.objects.filter(login=typed.casefold()).values_list("home_id", flat=True).first()
        home = meant or ledger.PLATFORM
        with _bound_to(home):
            ledger.record(
                system("sign-in", home, via=Via.WEB),
                "access.session.refused",
                new_id(),
                clock=SystemClock(),
                out="refused",
                body={"typed": typed, "ip": self.get_client_ip(request)},
            )

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """There is no mailbox yet at first start; changes of factors are in the ledger."""


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc] # as above
    """Authenticator secrets are sealed at rest."""

    def encrypt(self, text: str) -> str:
        with _bound_to(ledger.PLATFORM):
            sealed = sealing.current_sealer().seal(ledger.PLATFORM, _SECRETS, text.encode())
        return base64.b64encode(sealed).decode("ascii")

    def decrypt(self, encrypted_text: str) -> str:
        with _bound_to(ledger.PLATFORM):
            return sealing.current_sealer().open(ledger.PLATFORM, _SECRETS, base64.b64decode(encrypted_text)).decode()

    def get_totp_label(self, user: AbstractBaseUser) -> str:
        return str(user.get_username())

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """As above."""


# While a factor is checked nobody is signed in, so no tenant's key can be used: these secrets belong to the platform.
# allauth hands over no row id; what a swap of two rows would gain, its holder could as well gain by writing a password hash.
_SECRETS = Place("mfa_authenticator", "data", "secret")


@contextmanager
def _bound_to(tenant: UUID) -> Iterator[None]:
    """Bind for a moment, inside whatever transaction the request already has."""
    with transaction.atomic():
        before = bound_tenant()
        bind(tenant)
        yield
        if before is not None:
            bind(before)
