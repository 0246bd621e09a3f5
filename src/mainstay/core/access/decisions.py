"""Decisions about actors of ours, with a short memory.

Owns: how an actor becomes a Cedar principal, and the cache. Does not own: the policy (catalogue), the log of refusals (refusals).
Invariant: the key of the cache holds everything that the answer depends on: policy version, the actor with its roles and
tenants, the action, the resource's tenant. Whatever changes an assignment or a policy changes the key.
"""

import json
import time
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from threading import Lock
from uuid import UUID

import cedarpy

from mainstay.core.access import catalogue, cedar
from mainstay.core.access.roles import CONTAINS
from mainstay.kernel.actors import Actor, ActorKind

CACHE_SIZE_MAX = 20_000
CACHE_AGE_MAX_S = 60.0

_TYPES = {ActorKind.PERSON: "Person", ActorKind.DEVICE: "Device", ActorKind.SYSTEM: "System", ActorKind.MODEL: "Model"}


class Because(StrEnum):
    """Why a decision came out as it did."""

    PERMITTED = "permitted"
    NO_PERMIT = "no_permit"
    FORBIDDEN = "forbidden"
    UNKNOWN_ACTION = "unknown_action"
    ERROR = "error"


@dataclass(frozen=True)
class Ruling:
    """A decision, its reason, the policies that made it, and the roles that would have helped."""

    allowed: bool
    reason: Because
    policies: tuple[str, ...] = ()
    helps: tuple[str, ...] = ()
    policy_version: str = ""

    @property
    def policy(self) -> str:
        """Return the id to show to a person: the policy that refused, or the rule that nothing permits by itself."""
        return self.policies[0] if self.policies else "access.default_deny"


class Memory:
    """Answers that are at most a minute old; the oldest make room. Safe among threads."""

    def __init__(self, size_max: int = CACHE_SIZE_MAX, age_max_s: float = CACHE_AGE_MAX_S) -> None:
        self._size_max = size_max
        self._age_max_s = age_max_s
        self._rows: OrderedDict[Hashable, tuple[float, Ruling]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, now_s: float) -> Ruling | None:
        row = self._rows.get(key)
        return row[1] if row is not None and now_s - row[0] < self._age_max_s else None

    def put(self, key: Hashable, ruling: Ruling, now_s: float) -> None:
        with self._lock:
            self._rows.pop(key, None)
            self._rows[key] = (now_s, ruling)
            while len(self._rows) > self._size_max:
                self._rows.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._rows.clear()


memory = Memory()


def rule(actor: Actor, action: str, resource: UUID) -> Ruling:
    """Decide whether the actor may do the action on something of a tenant. Never raises for a bad policy."""
    known = catalogue.builtin()
    key = (known.version, actor.kind, actor.ref, actor.tenant, actor.roles, actor.readable, actor.actions, actor.via, action, resource)
    # The age of a cached answer is no business time; a monotonic reading keeps it out of the injected clock.
    now_s = time.monotonic()
    ruling = memory.get(key, now_s)
    if ruling is None:
        ruling = _evaluate(actor, action, resource, known)
        memory.put(key, ruling, now_s)
    return ruling


def _evaluate(actor: Actor, action: str, resource: UUID, known: catalogue.Catalogue) -> Ruling:
    if action not in known.actions:
        return Ruling(False, Because.UNKNOWN_ACTION, policy_version=known.version)
    principal = {"type": _TYPES[actor.kind], "id": actor.ref}
    request = cedar.Request(
        principal=principal,
        action={"type": "Action", "id": action},
        resource=_tenant(resource),
        context={"via": str(actor.via), "limited": actor.actions is not None, "covered": actor.actions is None or action in actor.actions},
    )
    answer = cedar.decide([request], known.policies, _world(actor, principal, resource, known))[0]
    return _ruling(answer, action, known.version)


def _ruling(answer: cedar.Answer, action: str, version: str) -> Ruling:
    """Cedar skips a policy that fails to evaluate; if it was a prohibition, that would permit. So any error refuses."""
    if answer.errors:
        return Ruling(False, Because.ERROR, answer.policies, policy_version=version)
    if answer.allowed:
        return Ruling(True, Because.PERMITTED, answer.policies, policy_version=version)
    reason = Because.FORBIDDEN if answer.policies else Because.NO_PERMIT
    helps = catalogue.roles_that_may(action) if reason is Because.NO_PERMIT else ()
    return Ruling(False, reason, answer.policies, helps, version)


def _world(actor: Actor, principal: cedar.Uid, resource: UUID, known: catalogue.Catalogue) -> cedarpy.Entities:
    """The entities of one decision: the roles of this release, the principal, the tenant."""
    attributes = {"tenant": {"__entity": _tenant(actor.tenant)}, "readable": [{"__entity": _tenant(one)} for one in actor.readable]}
    documents = [
        {"uid": principal, "attrs": attributes, "parents": [{"type": "Role", "id": role} for role in sorted(actor.roles)]},
        {"uid": _tenant(resource), "attrs": {"kind": "any"}, "parents": []},
    ]
    return _base(known.schema).with_added_json_str(json.dumps(documents))


@cache
def _base(schema: str) -> cedarpy.Entities:
    """Roles and action groups. Without the schema Cedar would not know which action is a writing one."""
    rows = [
        {"uid": {"type": "Role", "id": role}, "attrs": {}, "parents": [{"type": "Role", "id": one} for one in contained]}
        for role, contained in CONTAINS.items()
    ]
    return cedar.entities(json.dumps(rows), schema)


def _tenant(tenant: UUID) -> dict[str, str]:
    return {"type": "Tenant", "id": str(tenant)}
