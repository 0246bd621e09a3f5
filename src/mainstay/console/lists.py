"""Lists of what lies below the design kit: ledger entries, people, tokens.

They are declared here because core may not know how a list looks.
"""

from typing import Any  # rows are models of several parts

from django.db.models import Case, CharField, F, OuterRef, QuerySet, Subquery, UUIDField, Value, When
from django.db.models.functions import Cast, Coalesce, Concat, Now, Substr

from mainstay.core.access.models import Person, Token
from mainstay.core.access.services import allows
from mainstay.core.ledger import queries as ledger
from mainstay.domains.estate.models import Device
from mainstay.kernel.actors import Actor, Via
from mainstay.ui.lists import Column, Empty, Kind, ListSpec, View

OUTCOMES = {"ok": "Done", "refused": "Refused", "failed": "Failed"}
OUT_TONES = {"ok": "ok", "refused": "warning", "failed": "critical"}
TOKEN_TONES = {"valid": "ok", "expired": "stale", "revoked": "neutral"}


def entries(actor: Actor) -> QuerySet[Any]:
    """Entries with the name of who acted: a person, a device, or a part of Mainstay; the bare reference of who was erased."""
    person = Person.objects.filter(pseudonym=OuterRef("actor")).values("name")[:1]
    device = Device.objects.filter(id=OuterRef("device_id")).values("name")[:1]
    behind = Substr("actor", 3)
    return (
        ledger.numbered_entries(actor.tenant)
        .annotate(device_id=Case(When(actor__startswith="d:", then=Cast(behind, UUIDField())), output_field=UUIDField()))
        .annotate(
            who=Case(
                When(actor__startswith="p:", then=Coalesce(Subquery(person), F("actor"))),
                When(actor__startswith="d:", then=Coalesce(Subquery(device), F("actor"))),
                When(actor__startswith="s:", then=Concat(Value("Mainstay ("), behind, Value(")"))),
                default=F("actor"),
                output_field=CharField(),
            )
        )
    )


LEDGER: ListSpec = ListSpec(
    name="ledger.entries",
    title="Ledger",
    noun="entry",
    permission="ledger.entry.read",
    rows=entries,
    columns=(
        Column("seq", "Leaf", Kind.NUMBER),
        Column("at", "When", Kind.TIME),
        Column("act", "Act", link=True),
        Column("who", "By"),
        Column("obj", "Object", shown=False),
        Column("out", "Outcome", Kind.CHOICE, choices=OUTCOMES, tones=OUT_TONES),
        Column("via", "Door", Kind.CHOICE, choices={one.value: one.value for one in Via}),
        Column("actor", "Pseudonym", shown=False, me=True),
        Column("body", "Commitment", shown=False),
    ),
    sort="-id",
    search=("act", "obj", "actor"),
    link=lambda row: f"/ledger/entries/{row.id}/",
    views=(View("Refused", "out=refused"), View("Mine", "actor=%40me"), View("Actions on devices", "act__contains=automation.")),
    empty=Empty("No entry yet.", "The first act that changes something writes the first one."),
)

PEOPLE: ListSpec = ListSpec(
    name="access.people",
    title="People",
    noun="person",
    permission="access.person.read",
    rows=lambda actor: Person.objects.filter(home_id__in=actor.readable).select_related("home"),
    columns=(
        Column("name", "Name"),
        Column("login", "Signs in as"),
        Column("home", "Organisation", field="home__name"),
        Column("active", "Active", Kind.BOOL, field="is_active"),
        Column("seen", "Last signed in", Kind.TIME, field="last_login"),
        Column("added", "Added", Kind.TIME, field="created_at", shown=False),
    ),
    sort="name",
    search=("name", "login"),
    empty=Empty("Nobody yet.", "Add the people who work here: each act then carries its own name."),
)


def _tokens(actor: Actor) -> QuerySet[Any]:
    """One's own tokens; those of everybody here for whoever may disable people."""
    rows = Token.objects.filter(home_id=actor.tenant)
    if not allows(actor, "access.person.disable"):
        rows = rows.filter(owner_id=actor.person_id)
    state = Case(
        When(revoked_at__isnull=False, then=Value("revoked")),
        When(expires_at__lte=Now(), then=Value("expired")),
        default=Value("valid"),
        output_field=CharField(),
    )
    return rows.annotate(state=state, holder=Coalesce(F("owner__name"), F("service"), output_field=CharField()))


TOKENS: ListSpec = ListSpec(
    name="access.tokens",
    title="Tokens",
    noun="token",
    permission="access.token.read",
    rows=_tokens,
    columns=(
        Column("label", "For"),
        Column("state", "State", Kind.CHOICE, choices={"valid": "Valid", "expired": "Expired", "revoked": "Revoked"}, tones=TOKEN_TONES),
        Column("holder", "Held by"),
        Column("key_id", "Begins with", value=lambda row: f"mst1_{row.key_id}"),
        Column("expires", "Expires", Kind.TIME, field="expires_at"),
        Column("used", "Last used", Kind.TIME, field="last_used_at"),
        Column("created", "Created", Kind.TIME, field="created_at", shown=False),
    ),
    sort="-created",
    search=("label",),
    empty=Empty("No token yet.", "Programs and the command line sign in with tokens; each ends by itself."),
)
