"""Who acts: a person, a device, a part of the system, a model. Never nobody.

Owns: the value that every service demands first. Does not own: what an actor may do (core.access).
Invariant: `ref` is a random pseudonym, so that it may stand in a ledger leaf.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from uuid import UUID


class ActorKind(StrEnum):
    PERSON = "person"
    DEVICE = "device"
    SYSTEM = "system"
    MODEL = "model"


class Via(StrEnum):
    """By which door the act came in; one of the values that a ledger leaf allows."""

    WEB = "web"
    API = "api"
    CLI = "cli"
    AGENT = "agent"
    JOB = "job"
    MAIL = "mail"
    SCIM = "scim"
    SYSTEM = "system"
    EMERGENCY = "emergency"


@dataclass(frozen=True, kw_only=True)
class Actor:
    """An actor in one act.

    tenant: the tenant whose data the act writes. readable: the tenants that it may read (at least `tenant`).
    roles: role names held in `tenant`. actions: the actions a token is limited to, or None for no limit.
    """

    kind: ActorKind
    ref: str
    tenant: UUID
    via: Via
    roles: frozenset[str] = frozenset()
    readable: tuple[UUID, ...] = ()
    actions: frozenset[str] | None = None
    person_id: UUID | None = None
    label: str = field(default="", compare=False)

    def within(self, tenant: UUID) -> "Actor":
        """Return the same actor writing to another tenant; the policy decides later whether it may."""
        return replace(self, tenant=tenant)


def system(part: str, tenant: UUID, *, via: Via = Via.JOB, readable: Iterable[UUID] = ()) -> Actor:
    """Return the actor of a part of Mainstay itself, such as `worker` or `sequencer`."""
    return Actor(
        kind=ActorKind.SYSTEM,
        ref=f"s:{part}",
        tenant=tenant,
        via=via,
        roles=frozenset({"service"}),
        readable=(tenant, *readable),
        label=f"Mainstay ({part})",
    )


def device(device_id: UUID, tenant: UUID, *, label: str = "") -> Actor:
    """Return the actor of an enrolled device that has proven its key."""
    return Actor(
        kind=ActorKind.DEVICE,
        ref=f"d:{device_id.hex}",
        tenant=tenant,
        via=Via.AGENT,
        roles=frozenset({"agent"}),
        readable=(tenant,),
        label=label,
    )
