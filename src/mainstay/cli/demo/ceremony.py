"""The trust ceremony of a simulated client: a root and a policy, signed by a key that is forgotten at once.

Owns: what the policy of the demonstration allows. Invariant: the key never leaves this function, so nobody can sign a second policy;
real ceremonies are held by `mainstay trust init` with keys that people keep.
"""

from collections.abc import Mapping, Sequence
from typing import Any  # the state that a ceremony needs, as the API describes it

from nacl.signing import SigningKey

from mainstay_trust import canonical, dsse
from mainstay_trust.actions import CATALOGUE
from mainstay_trust.canonical import JSON
from mainstay_trust.damage import damage_bound
from mainstay_trust.keys import Key, Role
from mainstay_trust.policies import parse_policy, policy_template
from mainstay_trust.roots import LIFE_S_MAX, ROLES, root_payload

HOLDER = "DEMO"


def hold(state: Mapping[str, Any], *, reply: bytes, units: Mapping[str, Sequence[str]], at: int) -> tuple[dsse.Envelope, dsse.Envelope]:
    """Return root 1 and policy 1 of a tenant. `units`: unit to the devices on which it may be restarted."""
    key = SigningKey.generate()
    public = bytes(key.verify_key)
    signer = dsse.Signer(public, lambda message: key.sign(message).signature)
    role = Role((Key(public, HOLDER),), 1)
    root = root_payload(
        tenant=state["tenant"], version=1, issued=at, expires=at + LIFE_S_MAX, reduced=True, roles=dict.fromkeys(ROLES, role)
    )
    policy = _policy(state, reply, units, at)
    return dsse.seal(dsse.ROOT, root, [signer]), dsse.seal(dsse.POLICY, policy, [signer])


def _policy(state: Mapping[str, Any], reply: bytes, units: Mapping[str, Sequence[str]], at: int) -> bytes:
    keys: dict[str, JSON] = {
        "server": [_announced(one) for one in state["server"]],
        "reply": [_announced(reply.hex())],
        "ledger": [{"origin": one["origin"], "vkey": str(one["vkey"])} for one in state["ledger"]],
    }
    services: list[JSON] = [_service(unit, devices) for unit, devices in units.items()]
    value = policy_template(tenant=state["tenant"], epoch=1, issued=at) | {"keys": keys, "services": services, "reduced": True}
    bound = damage_bound(parse_policy(canonical.encode(value)), CATALOGUE, len(state["devices"]))
    return canonical.encode(value | {"damage_bound": bound.as_json()})


def _announced(public: str) -> JSON:
    return {"pub": public, "holder": "this server", "expires": None}


def _service(unit: str, devices: Sequence[str]) -> JSON:
    empty: dict[str, JSON] = dict.fromkeys(("start", "stop", "status", "reload", "probe", "user", "cwd"))
    return {"name": unit, "manager": "systemd", "unit": unit, "allow": ["start", "restart"], "devices": list(devices), **empty}
