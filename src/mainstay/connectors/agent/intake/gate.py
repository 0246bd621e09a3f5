"""Who is it? The signature of a request, the device behind its key, and what that device may still do.

Source: endpoint page, rules X2, X8 and N5. Invariant: nothing of a body is believed before its signature holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from mainstay.core.tenancy.binding import bind
from mainstay.domains.estate import queries as estate
from mainstay.domains.estate import services as estate_services
from mainstay.domains.estate.models import Device, DeviceState
from mainstay.kernel import actors
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Refused
from mainstay_trust import httpsig
from mainstay_trust.errors import Rejected


@dataclass(frozen=True)
class Incoming:
    """A request as it came; `body` is what was signed, `expanded` what is read."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    expanded: bytes
    is_tls: bool


@dataclass(frozen=True)
class Caller:
    """A device that has proven its transport key. `is_trusted`: neither pending nor quarantined."""

    device: Device
    actor: Actor

    @property
    def tenant(self) -> UUID:
        return self.device.tenant

    @property
    def is_pending(self) -> bool:
        return self.device.state == DeviceState.PENDING

    @property
    def is_trusted(self) -> bool:
        return self.device.state == DeviceState.ACTIVE


def admit(incoming: Incoming, clock: Clock) -> Caller:
    """Bind the running transaction to the device's tenant and return the device.

    Errors: Rejected (signature, digest, unknown key, clock); Refused("revoked") for a device that no longer belongs to us.
    """
    home = estate.key_home(httpsig.claimed_keyid(incoming.headers))
    if home is None or home.device_id is None:
        raise Rejected("unknown_key", "no device has this transport key; enrol again")
    bind(home.tenant)
    device = estate.device(home.tenant, home.device_id)
    _verify(incoming, device, clock)
    if device.state in (DeviceState.REVOKED, DeviceState.LEFT):
        raise Refused("revoked", "This device no longer belongs to the organisation. Enrol it again with a new code.")
    return Caller(device, actors.device(device.id, device.tenant, label=device.name))


def _verify(incoming: Incoming, device: Device, clock: Clock) -> None:
    request = httpsig.Request(incoming.method, incoming.path, incoming.query, incoming.headers.get("content-type", ""), incoming.body)

    def find_key(key_id: str) -> bytes | None:
        # A revoked device proves its key too: it learns that it was revoked, a stranger learns nothing.
        row = device.keys.filter(tenant=device.tenant, key_id=key_id, purpose="transport").first()
        return bytes(row.public_key) if row is not None else None

    httpsig.verify_request(
        request, incoming.headers, find_key=find_key, verify=estate_services.verify_ed25519, at=int(clock.now().timestamp())
    )
