"""`require`, which every service calls first, and its silent sisters."""

from uuid import UUID

from mainstay.core.access import refusals
from mainstay.core.access.decisions import Because, Ruling, rule
from mainstay.kernel.actors import Actor
from mainstay.kernel.errors import Refused

__all__ = ["Because", "Ruling", "allows", "authorise", "require"]


def require(actor: Actor, action: str, resource_tenant: UUID | None = None) -> None:
    """Go on only if a policy permits the action on something of a tenant (by default the actor's own).

    Errors: Refused("access.action_refused") with the id of the policy and the roles that would help. The refusal is kept as
    evidence by whoever holds the boundary (request or job), after the transaction is rolled back.
    """
    ruling = authorise(actor, action, resource_tenant)
    if ruling.allowed:
        return
    refusals.note(actor, action, ruling)
    raise Refused(
        "access.action_refused",
        _sentence(action, ruling),
        action=action,
        policy=ruling.policy,
        reason=str(ruling.reason),
        helps=list(ruling.helps),
    )


def authorise(actor: Actor, action: str, resource_tenant: UUID | None = None) -> Ruling:
    """Return the decision without acting on it: to show or hide a button, or to explain."""
    return rule(actor, action, resource_tenant or actor.tenant)


def allows(actor: Actor, action: str, resource_tenant: UUID | None = None) -> bool:
    """Tell whether `require` would go on."""
    return authorise(actor, action, resource_tenant).allowed


def _sentence(action: str, ruling: Ruling) -> str:
    if ruling.reason is Because.UNKNOWN_ACTION:
        return f"No policy names the action {action}, so nobody may do it."
    if ruling.helps:
        return f"You may not do this ({action}). These roles may: {', '.join(ruling.helps)}. An owner or admin can give you one."
    return f"You may not do this ({action}). The policy {ruling.policy} decided."
