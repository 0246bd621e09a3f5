"""The type of a request that has passed the scope middleware.

Owns: what a view may rely on. Invariant: a view outside the sign-in pages always has an actor and a clock.
"""

from django.http import HttpRequest

from mainstay.core.access.models import Person, Tenant
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock


class Request(HttpRequest):
    """A request with its actor. Views name this type; at run time it is Django's own request with these attributes."""

    actor: Actor
    clock: Clock
    person: Person | None
    tenant_scope: Tenant | None
