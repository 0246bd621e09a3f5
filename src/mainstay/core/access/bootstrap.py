"""First start: the platform, one organisation, and the local command line's token.

Owns: what exists before the first person does. Invariant: running it again changes nothing.
"""

import os
import re
from pathlib import Path

from django.db import connection, transaction

from mainstay.core.access import catalogue, queries, tokens
from mainstay.core.access.models import Assignment, PolicySet, Tenant, Token
from mainstay.core.access.services import links
from mainstay.core.access.services.tenants import CLI_SERVICE, next_number
from mainstay.core.access.services.tokens import DAYS_MAX, draw
from mainstay.core.ledger import services as ledger
from mainstay.core.tenancy.binding import bind, tenant_transaction
from mainstay.kernel.actors import Via, system
from mainstay.kernel.clock import Clock

_LOCK = 0x6D73_6163  # any number that only this module uses
_ACTOR = "bootstrap"


def bootstrap(clock: Clock, *, secrets_dir: Path, host_name: str = "") -> Tenant:
    """Make sure that the installation can be used, and return its organisation. Safe to run twice, also at once."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        _platform(clock)
        organisation = _organisation(clock, host_name)
        _policies(clock)
        _cli_token(clock, organisation, secrets_dir / "cli-token")
    return organisation


def make_link(clock: Clock, base_url: str) -> str:
    """Return the full address of a fresh one-time link, for the console and for `mainstay link`."""
    home = queries.organisation().id
    with tenant_transaction(home):
        secret = links.make_link(actor=system(_ACTOR, home, via=Via.CLI), clock=clock)
    return f"{base_url.rstrip('/')}/hello/{secret}"


def _platform(clock: Clock) -> None:
    Tenant.objects.get_or_create(
        id=ledger.PLATFORM,
        defaults={
            "kind": Tenant.Kind.PLATFORM,
            "number": 0,
            "name": "Platform",
            "slug": "platform",
            "prefix": "SYS",
            "created_at": clock.now(),
        },
    )


def _organisation(clock: Clock, host_name: str) -> Tenant:
    found = Tenant.objects.filter(kind=Tenant.Kind.PROVIDER).order_by("number").first()
    if found is not None:
        return found
    slug = slug_of(host_name)
    row = Tenant.objects.create(
        kind=Tenant.Kind.PROVIDER,
        number=next_number(),
        name=host_name or "Home",
        slug=slug,
        prefix=re.sub(r"[^A-Z]", "", slug.upper())[:3] or "INC",
        created_at=clock.now(),
    )
    bind(row.id)
    actor = system(_ACTOR, row.id, via=Via.SYSTEM)
    ledger.record(actor, "access.tenant.opened", row.id, clock=clock, body={"kind": "provider", "name": row.name, "slug": slug})
    return row


def slug_of(host_name: str) -> str:
    """Return a short name for the organisation: the first label of the host's name, or `home`."""
    label = re.sub(r"[^a-z0-9]+", "-", host_name.split(".")[0].lower()).strip("-")[:40].strip("-")
    return label if label and label != "localhost" else "home"


def _policies(clock: Clock) -> None:
    """Keep the text of every policy version that was ever in force, so that an old decision can be explained."""
    known = catalogue.builtin()
    if PolicySet.objects.filter(version=known.version, state=PolicySet.State.LIVE).exists():
        return
    PolicySet.objects.filter(state=PolicySet.State.LIVE).update(state=PolicySet.State.RETIRED)
    row, _ = PolicySet.objects.update_or_create(
        version=known.version,
        defaults={"text": known.text, "schema_text": known.schema, "state": PolicySet.State.LIVE, "created_at": clock.now()},
    )
    bind(ledger.PLATFORM)
    actor = system(_ACTOR, ledger.PLATFORM, via=Via.SYSTEM)
    ledger.record(actor, "access.policy.published", row.id, clock=clock, body={"version": known.version})


def _cli_token(clock: Clock, home: Tenant, path: Path) -> None:
    """Write the local token where it is missing, unreadable as a token, or no longer good."""
    if _is_good(path, clock):
        return
    Token.objects.filter(service=CLI_SERVICE, revoked_at=None).update(revoked_at=clock.now())
    row, text = draw("command line on this server", home=home.id, at=clock.now(), days=DAYS_MAX, service=CLI_SERVICE)
    row.save()
    Assignment.objects.get_or_create(
        service=CLI_SERVICE,
        scope=home,
        role="owner",
        until_at=None,
        defaults={"from_at": clock.now(), "reason": "command line on the server", "granted_by": f"s:{_ACTOR}"},
    )
    bind(home.id)
    ledger.record(system(_ACTOR, home.id, via=Via.SYSTEM), "access.token.created", row.id, clock=clock, body={"label": row.label})
    _write(path, text)


def _is_good(path: Path, clock: Clock) -> bool:
    try:
        presented = tokens.read(path.read_text(encoding="ascii").strip())
    except (FileNotFoundError, UnicodeDecodeError):
        return False
    row = queries.live_token(presented.key_id, clock.now()) if presented else None
    return row is not None and presented is not None and bytes(row.secret_sha256) == presented.secret_sha256


def _write(path: Path, text: str) -> None:
    """Whoever can read this file owns the installation already; nobody else may."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
