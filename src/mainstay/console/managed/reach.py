"""Where somebody who applies files may write: at home and in the clients that they reach, each with the roles held there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from uuid import UUID

from mainstay.core.access import queries as access
from mainstay.core.access.models import Tenant
from mainstay.core.tenancy.binding import bind
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import NotFound

HOME = ""


@dataclass
class Reach:
    """The tenants by slug (HOME is where the actor stands). A client that was opened in the same set is found by `refresh`."""

    actor: Actor
    clock: Clock

    def __post_init__(self) -> None:
        self._limits = set(self.actor.readable)
        self.refresh()

    def refresh(self, opened: UUID | None = None) -> None:
        """Look again which clients there are and which roles are held in them."""
        if opened is not None:
            self._limits.add(opened)
        at = self.clock.now()
        person = access.person(self.actor.person_id) if self.actor.person_id else None
        self._roles = access.reach_of_person(person, at) if person else access.reach_of_service(self.actor.ref.removeprefix("s:"), at)
        rows = Tenant.objects.filter(
            kind=Tenant.Kind.CLIENT, parent=self.actor.tenant, closed_at=None, id__in=set(self._roles) & self._limits
        )
        self.tenants: dict[str, UUID] = {HOME: self.actor.tenant, **dict(rows.order_by("slug").values_list("slug", "id"))}

    @contextmanager
    def inside(self, slug: str) -> Iterator[Actor]:
        """Bind the running transaction to a client and return the actor as it stands there; home is bound again afterwards."""
        tenant = self.tenants.get(slug)
        if tenant is None:
            raise NotFound("config.client_unknown", f"There is no client {slug}.")
        bind(tenant)
        try:
            yield (
                self.actor
                if slug == HOME
                else replace(self.actor, tenant=tenant, roles=self._roles.get(tenant, frozenset()), readable=(tenant,))
            )
        finally:
            bind(self.actor.tenant)
