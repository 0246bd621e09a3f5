"""Offline-signed documents: taking them in, and announcing the server's own public keys.

Owns: the store of roots, policies and orders. Does not own: making them (`mainstay-sign`), or what an endpoint accepts (the endpoint).
Invariant: the server keeps only documents that prove themselves; it never makes, changes or drops one.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from django.db import transaction

from mainstay.core.access.services import require
from mainstay.core.jobs import outbox
from mainstay.core.ledger import services as ledger
from mainstay.domains.automation import queries
from mainstay.domains.automation.models import SignerKey, TrustDocument, TrustOrder
from mainstay.domains.automation.rules.definitions import RUNBOOKS
from mainstay.domains.automation.rules.healing import Mode
from mainstay.domains.automation.services.healing import set_heal_mode
from mainstay.domains.automation.services.ports import PORTS
from mainstay.domains.automation.services.results import ed25519_holds
from mainstay.domains.estate import queries as estate
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Invalid
from mainstay.kernel.ids import to_base32
from mainstay.kernel.json import Json
from mainstay_trust import dsse, orders, policies, roots
from mainstay_trust.errors import Rejected


@transaction.atomic
def register_signer(*, purpose: str, public_key: bytes, clock: Clock) -> None:
    """Announce the public half of a key that one of the server's processes holds; the same key twice is announced once."""
    SignerKey.objects.get_or_create(purpose=purpose, public_key=public_key.hex(), defaults={"registered_at": clock.now()})


@transaction.atomic
def adopt_documents(*, actor: Actor, envelopes: Sequence[Mapping[str, Json]], clock: Clock) -> list[TrustDocument | TrustOrder]:
    """Take in signed roots, policies and orders, in the order given. All of them or none.

    Errors: Invalid("automation.document_refused", why=code) naming the first that does not prove itself.
    """
    require(actor, "automation.trust.import")
    adopted: list[TrustDocument | TrustOrder] = []
    for sent in envelopes:
        try:
            adopted.append(_adopt(actor, dsse.from_json(sent), clock))
        except Rejected as problem:
            raise Invalid("automation.document_refused", f"The document was refused: {problem.detail}.", why=problem.code) from problem
    for device_id in estate.devices([actor.tenant]).values_list("id", flat=True):
        PORTS.devices.wake(device_id)
    return adopted


def _adopt(actor: Actor, envelope: dsse.Envelope, clock: Clock) -> TrustDocument | TrustOrder:
    at = int(clock.now().timestamp())
    root = _stored_root(actor)
    if envelope.payload_type == dsse.ROOT:
        document = _next_root(root, envelope)
        return _keep(actor, "root", envelope, document.version, document.expires, document.reduced, document.tenant, clock)
    if root is None:
        raise Rejected("no_root", "a root must be there before anything that it vouches for")
    if envelope.payload_type in (dsse.UNFREEZE, dsse.SUCCESSION):
        return _adopt_order(actor, envelope, root, clock)
    stored = queries.policy_of(actor.tenant)
    policy = policies.next_policy(stored, root, envelope, ed25519_holds, at=at)
    row = _keep(actor, "policy", envelope, policy.epoch, policy.expires, policy.reduced, policy.tenant, clock)
    if stored is None:
        _let_runbooks_act(actor, policy, clock)
    return row


def _adopt_order(actor: Actor, envelope: dsse.Envelope, root: roots.Root, clock: Clock) -> TrustOrder:
    at = int(clock.now().timestamp())
    if envelope.payload_type == dsse.SUCCESSION:
        succession = orders.open_succession(envelope, root, ed25519_holds, at=at)
        return _keep_order(actor, "succession", envelope, succession.tenant, succession.issued, None, clock)
    policy = queries.policy_of(actor.tenant)
    revoked = policy.revoked if policy is not None else frozenset[str]()
    unfreeze = orders.open_unfreeze(envelope, root, revoked, ed25519_holds, at=at)
    return _keep_order(actor, "unfreeze", envelope, unfreeze.tenant, unfreeze.issued, unfreeze.expires, clock)


def _keep_order(
    actor: Actor, kind: str, envelope: dsse.Envelope, tenant: str, issued: int, expires: int | None, clock: Clock
) -> TrustOrder:
    if tenant != to_base32(actor.tenant):
        raise Rejected("wrong_tenant", "it was signed for another tenant")
    digest = hashlib.sha256(envelope.payload).hexdigest()
    row, is_new = TrustOrder.objects.get_or_create(
        tenant=actor.tenant,
        payload_sha256=digest,
        defaults={
            "kind": kind,
            "envelope": envelope.as_json(),
            "issued_at": datetime.fromtimestamp(issued, UTC),
            "expires_at": None if expires is None else datetime.fromtimestamp(expires, UTC),
            "adopted_at": clock.now(),
        },
    )
    if is_new:
        ledger.record(actor, f"automation.{kind}.adopted", row.id, clock=clock, body={"payload_sha256": digest})
        outbox.publish(actor, "trust.changed", row.id, {"kind": kind, "version": 0}, clock=clock)
    return row


def _next_root(stored: roots.Root | None, envelope: dsse.Envelope) -> roots.Root:
    if stored is not None:
        return roots.next_root(stored, envelope, ed25519_holds)
    # The server takes the first root as it comes: its own opinion of a root decides nothing on any endpoint.
    fingerprint = hashlib.sha256(envelope.payload).hexdigest()
    return roots.first_root(envelope, fingerprint, ed25519_holds)


def _stored_root(actor: Actor) -> roots.Root | None:
    document = queries.newest_document(actor.tenant, "root")
    return roots.parse_root(dsse.from_json(document.envelope).payload) if document else None


def _keep(
    actor: Actor, kind: str, envelope: dsse.Envelope, version: int, expires: int, is_reduced: bool, tenant: str, clock: Clock
) -> TrustDocument:
    if tenant != to_base32(actor.tenant):
        raise Rejected("wrong_tenant", "it was signed for another tenant")
    digest = hashlib.sha256(envelope.payload).hexdigest()
    row, is_new = TrustDocument.objects.get_or_create(
        tenant=actor.tenant,
        payload_sha256=digest,
        defaults={
            "kind": kind,
            "version": version,
            "envelope": envelope.as_json(),
            "expires_at": datetime.fromtimestamp(expires, UTC),
            "is_reduced": is_reduced,
            "adopted_at": clock.now(),
        },
    )
    if is_new:
        ledger.record(
            actor,
            f"automation.{kind}.adopted",
            row.id,
            clock=clock,
            body={"version": version, "payload_sha256": digest, "reduced": is_reduced},
        )
        outbox.publish(actor, "trust.changed", row.id, {"kind": kind, "version": version}, clock=clock)
    return row


def _let_runbooks_act(actor: Actor, policy: policies.Policy, clock: Clock) -> None:
    # Whoever signs a first policy that lists services for repair has decided that they be repaired; the
    # ceremony says so before it signs. Without a listed service everything stays in the shadow.
    if not any("restart" in service.allow for service in policy.services):
        return
    for runbook in RUNBOOKS.values():
        set_heal_mode(actor=actor, trigger=runbook.trigger, mode=Mode.ACT, clock=clock)
