"""The API of access: who am I, tokens, people."""

from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema

from mainstay.console.lists import PEOPLE, TOKENS
from mainstay.core.access import queries as access
from mainstay.core.access import services
from mainstay.core.access.services import require
from mainstay.kernel.json import Json
from mainstay.ui.lists import add_list
from mainstay.ui.lists.cells import iso
from mainstay.ui.lists.viewer import actor_of, clock_of

router = Router(tags=["access"])
add_list(router, "/people", PEOPLE)
add_list(router, "/tokens", TOKENS)


class TokenIn(Schema):
    """A token to be made. `actions`: what it is limited to, or null for all that its owner may."""

    label: str
    days: int = 90
    actions: list[str] | None = None


class PersonIn(Schema):
    name: str
    login: str
    role: str
    mail: str = ""


@router.get(
    "/whoami", operation_id="access_whoami", summary="Who this request acts as", openapi_extra={"x-permission": "access.tenant.read"}
)
def whoami(request: HttpRequest) -> dict[str, Json]:
    """Return the actor behind the credentials: reference, tenant, roles, and what may be read."""
    actor = actor_of(request)
    require(actor, "access.tenant.read")
    return {
        "ref": actor.ref,
        "kind": actor.kind.value,
        "label": actor.label or access.label_of(actor.ref),
        "tenant": str(actor.tenant),
        "tenant_name": access.tenant(actor.tenant).name,
        "roles": sorted(actor.roles),
        "readable": [str(one) for one in actor.readable],
        "limited_to": sorted(actor.actions) if actor.actions is not None else None,
    }


@router.post("/tokens", operation_id="access_token_create", summary="Make a token", openapi_extra={"x-permission": "access.token.create"})
def create_token(request: HttpRequest, body: TokenIn) -> dict[str, Json]:
    """Make a token and return its text, which is never shown again."""
    token, text = services.create_token(
        actor=actor_of(request), clock=clock_of(request), label=body.label, days=body.days, actions=body.actions
    )
    return {"id": str(token.id), "label": token.label, "token": text, "expires_at": iso(token.expires_at), "actions": token.actions}


@router.delete(
    "/tokens/{token_id}",
    operation_id="access_token_revoke",
    summary="Revoke a token",
    openapi_extra={"x-permission": "access.token.revoke"},
)
def revoke_token(request: HttpRequest, token_id: UUID) -> dict[str, Json]:
    """End a token at once."""
    services.revoke_token(actor=actor_of(request), token_id=token_id, clock=clock_of(request))
    return {"id": str(token_id), "state": "revoked"}


@router.post("/people", operation_id="access_person_add", summary="Add a person", openapi_extra={"x-permission": "access.person.add"})
def add_person(request: HttpRequest, body: PersonIn) -> dict[str, Json]:
    """Add a person with a first role; the invitation link is shown once."""
    actor, clock = actor_of(request), clock_of(request)
    person = services.add_person(actor=actor, clock=clock, name=body.name, login=body.login, role=body.role, mail=body.mail)
    return {"id": str(person.id), "name": person.name, "link": services.make_link(actor=actor, clock=clock, person=person)}
