"""Signed documents, the server's own public keys, and what a ceremony needs."""

import hashlib
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from mainstay.core.ledger import queries as ledger
from mainstay.domains.automation.models import DeviceTrust, SignerKey, TrustDocument, TrustOrder
from mainstay.domains.estate import queries as estate
from mainstay.kernel.ids import to_base32
from mainstay.kernel.json import Json
from mainstay_trust import canonical, dsse, policies

ORDERS_MAX = 8  # a device takes no more at once


def public_keys(purpose: str) -> list[bytes]:
    """Return the public halves of the server's own keys of a purpose, newest first."""
    keys = SignerKey.objects.filter(purpose=purpose).order_by("-registered_at", "-id")
    return [bytes.fromhex(key.public_key) for key in keys]


def documents(tenant: UUID) -> dict[str, Json]:
    """Return the signed documents of a tenant: every root in order, and the newest policy."""
    roots = list(TrustDocument.objects.filter(tenant=tenant, kind="root").order_by("version"))
    policy = newest_document(tenant, "policy")
    return {
        "roots": [root.envelope for root in roots],
        "policy": policy.envelope if policy else None,
        "root_version": roots[-1].version if roots else None,
        "policy_epoch": policy.version if policy else None,
    }


def newest_document(tenant: UUID, kind: str) -> TrustDocument | None:
    return TrustDocument.objects.filter(tenant=tenant, kind=kind).order_by("-version").first()


def orders(tenant: UUID, now: datetime) -> list[TrustOrder]:
    """Return the newest orders that have not expired, in the order in which they were signed."""
    standing = TrustOrder.objects.filter(Q(expires_at=None) | Q(expires_at__gte=now), tenant=tenant)
    return list(standing.order_by("-issued_at", "-id")[:ORDERS_MAX])[::-1]


def orders_name(tenant: UUID, now: datetime) -> str | None:
    """Return a name that changes with the orders that stand, by which a device sees that it should fetch; None without any."""
    digests = "".join(order.payload_sha256 for order in orders(tenant, now))
    return hashlib.sha256(digests.encode()).hexdigest() if digests else None


def document_by_sha(tenant: UUID, sha256: str) -> Json:
    """Return the envelope whose payload has this hash, or None."""
    return TrustDocument.objects.filter(tenant=tenant, payload_sha256=sha256).values_list("envelope", flat=True).first()


def policy_of(tenant: UUID) -> policies.Policy | None:
    """Return the newest policy, read. The server never decides by it; it only avoids asking for what would be refused."""
    document = newest_document(tenant, "policy")
    return policies.parse_policy(dsse.from_json(document.envelope).payload) if document else None


def policy_epoch(tenant: UUID) -> int:
    document = newest_document(tenant, "policy")
    return document.version if document else 0


def ceremony(tenant: UUID) -> dict[str, Json]:
    """Return what `mainstay trust init` needs to have a root and a policy signed for this tenant."""
    root, policy = newest_document(tenant, "root"), newest_document(tenant, "policy")
    return {
        "tenant": to_base32(tenant),
        "server": [key.hex() for key in public_keys("server")],
        "reply": [key.hex() for key in public_keys("reply")],
        "ledger": [{"origin": key.origin, "vkey": key.vkey} for key in ledger.log_vkeys(tenant)],
        "devices": [{"id": to_base32(one.id), "name": one.name} for one in estate.devices([tenant])],
        "root_version": root.version if root else None,
        "root_fingerprint": root.payload_sha256 if root else None,
        "policy_epoch": policy.version if policy else None,
        "is_reduced": policy.is_reduced if policy else None,
        "expires_at": policy.expires_at.isoformat() if policy else None,
        "damage_bound": worst_case(policy),
    }


def worst_case(policy: TrustDocument | None) -> Json:
    """Return what a thief of this server could at worst do, as it was signed into the policy."""
    if policy is None:
        return None
    return canonical.parse_object(dsse.from_json(policy.envelope).payload)["damage_bound"]


def watched_units(tenant: UUID, device_id: UUID) -> list[str]:
    """Return the units that the signed policy names for a device."""
    policy = policy_of(tenant)
    name = to_base32(device_id)
    return [] if policy is None else [one.unit for one in policy.services if one.is_for(name)]


def device_trust(tenant: UUID, device_id: UUID) -> DeviceTrust | None:
    return DeviceTrust.objects.filter(tenant=tenant, device_id=device_id).first()
