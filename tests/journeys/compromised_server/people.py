"""The people of a tenant and the keys that they keep away from every server.

Owns: the ceremony: roots and policies, signed by the thresholds of their roles.
Does not own: any key of a process; those are the thief's.
Invariant: nothing in this package hands one of these keys to the thief; documents leave, keys do not.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mainstay_agent.host.ed25519 import KeyPair
from mainstay_trust import canonical, dsse, roots
from mainstay_trust.dsse import Envelope
from mainstay_trust.keys import Key, Role
from mainstay_trust.policies import policy_template
from mainstay_trust.roots import Root


def new_key() -> KeyPair:
    return KeyPair.from_seed(os.urandom(32))


@dataclass(frozen=True)
class OnlineKeys:
    """The public halves that people put into a policy."""

    server: tuple[bytes, ...]
    reply: bytes
    log: str
    log_origin: str
    revoked: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "server": [_listed(public, "worker") for public in self.server],
            "reply": [_listed(self.reply, "web")],
            "ledger": [{"origin": self.log_origin, "vkey": self.log}],
        }


@dataclass(frozen=True)
class People:
    """Nadia and Omar sign roots and policies together; Tara and Omar are the operators; Lena publishes."""

    tenant: str
    issued: int
    nadia: KeyPair = field(default_factory=new_key, repr=False)
    omar: KeyPair = field(default_factory=new_key, repr=False)
    tara: KeyPair = field(default_factory=new_key, repr=False)
    lena: KeyPair = field(default_factory=new_key, repr=False)

    def root(self, version: int = 1) -> Envelope:
        payload = roots.root_payload(
            tenant=self.tenant,
            version=version,
            issued=self.issued,
            expires=self.issued + 300 * 86400,
            reduced=False,
            roles={
                "root": Role(self._held_by("nadia", "omar"), 2),
                "policy": Role(self._held_by("nadia", "omar"), 2),
                "publisher": Role(self._held_by("lena"), 1),
                "operator": Role(self._held_by("tara", "omar"), 2),
            },
        )
        return dsse.seal(dsse.ROOT, payload, self._signers)

    def policy(self, epoch: int, keys: OnlineKeys, rules: Mapping[str, Any], **changes: Any) -> Envelope:
        template = policy_template(tenant=self.tenant, epoch=epoch, issued=self.issued)
        members = template | {"keys": keys.as_json(), "revoked": [*keys.revoked]} | dict(rules) | changes
        return dsse.seal(dsse.POLICY, canonical.encode(members), self._signers)

    def elsewhere(self, tenant: str) -> "People":
        """Return the same people as they sign for another tenant."""
        return replace(self, tenant=tenant)

    @property
    def parsed_root(self) -> Root:
        return roots.parse_root(self.root().payload)

    @property
    def public_ids(self) -> dict[str, str]:
        """Return what anybody may know of them: their key ids."""
        return {name: getattr(self, name).key_id for name in ("nadia", "omar", "tara", "lena")}

    def _held_by(self, *names: str) -> tuple[Key, ...]:
        return tuple(Key(getattr(self, name).public, name) for name in names)

    @property
    def _signers(self) -> list[dsse.Signer]:
        return [self.nadia.signer(), self.omar.signer()]


def _listed(public: bytes, holder: str) -> dict[str, Any]:
    return {"pub": public.hex(), "holder": holder, "expires": None}
