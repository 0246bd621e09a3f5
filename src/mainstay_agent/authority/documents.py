"""The signed documents that a device has adopted, and how it comes to the next ones (rules K3, K4, P4).

Owns: identity of the device, the chain of roots, the current policy, retired server keys, what enrolment vouched for.
Does not own: thresholds and forms (`mainstay_trust.roots`, `mainstay_trust.policies`).
Invariant: a first root comes from a person (a code typed or a fingerprint given as root), never from the server.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from mainstay_agent.authority.store import Store
from mainstay_agent.host.ed25519 import verify
from mainstay_trust import dsse, enrol, roots
from mainstay_trust.canonical import JSON
from mainstay_trust.dsse import Envelope
from mainstay_trust.enrol import Transcript
from mainstay_trust.errors import Rejected
from mainstay_trust.keys import Key, public_from_hex
from mainstay_trust.notes import Vkey, parse_vkey
from mainstay_trust.policies import Policy, next_policy, parse_policy
from mainstay_trust.roots import Root

RETIRED_MAX = 32
LOGS_MAX = 8


@dataclass(frozen=True, slots=True)
class Identity:
    device: str
    tenant: str


class Documents:
    """Reads from the store once and keeps the parsed documents; `update` is the only way in after enrolment."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.root: Root | None = None
        self.policy: Policy | None = None
        self._load()

    @property
    def identity(self) -> Identity | None:
        stored = self._store.get("identity")
        return Identity(stored["device"], stored["tenant"]) if isinstance(stored, dict) else None

    def receipt_keys(self, purpose: str) -> tuple[Key, ...]:
        """Return keys that enrolment vouched for; policy replaces them."""
        return tuple(Key(public_from_hex(public), f"receipt:{purpose}") for public in self._receipt(purpose) if isinstance(public, str))

    def receipt_logs(self) -> tuple[Vkey, ...]:
        return tuple(parse_vkey(str(one["vkey"])) for one in self._receipt("ledger") if isinstance(one, dict))

    def logs(self) -> tuple[Vkey, ...]:
        """Return the keys of the logs that this device may hold: those of the policy, and what a succession named since."""
        stored = self._store.get("succeeded_logs")
        later = [parse_vkey(str(vkey)) for vkey in stored] if isinstance(stored, list) else []
        return (*(self.policy.ledger_keys if self.policy else self.receipt_logs()), *later)

    def add_log(self, vkey: Vkey) -> None:
        stored = self._store.get("succeeded_logs")
        known = [str(one) for one in stored] if isinstance(stored, list) else []
        self._store.put("succeeded_logs", list(dict.fromkeys([*known, str(vkey)]))[-LOGS_MAX:])

    def policy_in_force(self) -> Policy | None:
        """Return the policy as commands are judged by it: with the keys of logs that were succeeded to since it was signed."""
        return replace(self.policy, ledger_keys=self.logs()) if self.policy is not None else None

    def reply_keys(self) -> tuple[Key, ...]:
        return self.policy.reply_keys if self.policy and self.policy.reply_keys else self.receipt_keys("reply")

    def retired(self) -> tuple[Key, ...]:
        """Return server keys of earlier policies, so that an old key is called revoked and not unknown."""
        stored = self._store.get("retired")
        return tuple(Key(bytes.fromhex(public), "retired") for public in stored) if isinstance(stored, list) else ()

    def enrol(self, identity: Identity, keys: Mapping[str, JSON]) -> None:
        """Store who we are. A device enrols again only after it has left."""
        known = self.identity
        if known is not None and known != identity:
            raise Rejected("already_enrolled", "this machine is enrolled; leave first")
        with self._store.transaction():
            self._store.put("identity", {"device": identity.device, "tenant": identity.tenant})
            self._store.put("receipt_keys", keys)

    def adopt_by_code(self, transcript: Transcript, mac: str, code_key: bytes, envelopes: Sequence[Envelope]) -> Root:
        """Adopt the first root from a receipt whose fingerprint the server proved by the code that a person typed."""
        if not enrol.macs_match(enrol.server_mac(code_key, transcript), mac):
            raise Rejected("wrong_code", "the proof of the code does not hold")
        return self.adopt(transcript.root, envelopes)

    def adopt(self, fingerprint: str, envelopes: Sequence[Envelope]) -> Root:
        """Adopt a chain of roots that begins with the fingerprint. Errors: Rejected: bad_root, wrong_tenant, root_known."""
        if self.root is not None:
            raise Rejected("root_known", "a root is adopted already; a new one must be signed by its holders")
        root = roots.follow(fingerprint, envelopes, verify)
        self._demand_tenant(root.tenant)
        with self._store.transaction():
            for envelope in envelopes:
                self._keep("root", roots.parse_root(envelope.payload).version, roots.parse_root(envelope.payload).fingerprint, envelope)
        self.root = root
        return root

    def update(self, root_envelopes: Iterable[Envelope], policy_envelope: Envelope | None) -> None:
        """Follow newer roots in order, then a newer policy. Errors: Rejected with the code of the first document that is refused."""
        for envelope in root_envelopes:
            self._follow(envelope)
        if policy_envelope is not None:
            self._follow_policy(policy_envelope)

    def envelopes(self) -> tuple[list[Envelope], Envelope | None]:
        """Return what we hold, so that a restored server can take it back from us (rule K4)."""
        with self._store.reading() as database:
            rows = database.execute("SELECT kind, envelope FROM document WHERE is_adopted = 1 ORDER BY number").fetchall()
        chain = [dsse.parse(data) for kind, data in rows if kind == "root"]
        policies = [dsse.parse(data) for kind, data in rows if kind == "policy"]
        return chain, policies[-1] if policies else None

    def _follow(self, envelope: Envelope) -> None:
        if self.root is None:
            raise Rejected("no_root", "a first root comes from a person, not from the server")
        if envelope.payload_type == dsse.ROOT and roots.parse_root(envelope.payload).version < self.root.version:
            return  # the part of the chain that we hold already
        following = roots.next_root(self.root, envelope, verify)
        if following is not self.root:
            self._keep("root", following.version, following.fingerprint, envelope)
            self.root = following

    def _follow_policy(self, envelope: Envelope) -> None:
        if self.root is None:
            raise Rejected("no_root", "without a root no policy can be judged")
        try:
            policy = next_policy(self.policy, self.root, envelope, verify, at=self._at())
        except Rejected as refusal:
            if refusal.code == "policy_equivocation":
                self._keep_conflict(envelope)
            raise
        if self.policy is not None and policy.payload == self.policy.payload:
            return
        with self._store.transaction():
            self._retire(policy)
            self._keep("policy", policy.epoch, policy.sha256, envelope)
        self.policy = policy

    def _at(self) -> int:
        clock = self._store.get("clock")
        return int(clock["lower"]) if isinstance(clock, dict) else 0

    def _retire(self, following: Policy) -> None:
        before = self.policy.server_keys if self.policy else self.receipt_keys("server")
        current = {key.public for key in following.server_keys}
        gone = [key.public.hex() for key in (*self.retired(), *before) if key.public not in current]
        self._store.put("retired", list(dict.fromkeys(gone))[-RETIRED_MAX:])

    def _keep(self, kind: str, number: int, sha256: str, envelope: Envelope, *, is_adopted: bool = True) -> None:
        with self._store.transaction() as database:
            database.execute(
                "INSERT OR REPLACE INTO document VALUES (?, ?, ?, ?, ?)", (kind, number, sha256, envelope.encode(), is_adopted)
            )

    def _keep_conflict(self, envelope: Envelope) -> None:
        policy = parse_policy(envelope.payload)
        self._keep("policy", policy.epoch, policy.sha256, envelope, is_adopted=False)

    def _load(self) -> None:
        chain, policy = self.envelopes()
        # What is stored was judged when it came in; judging it again by today's clock could lock a device out of its own policy.
        self.root = roots.parse_root(chain[-1].payload) if chain else None
        self.policy = parse_policy(policy.payload) if policy else None

    def _receipt(self, purpose: str) -> list[object]:
        stored = self._store.get("receipt_keys")
        values = stored.get(purpose) if isinstance(stored, dict) else None
        return values if isinstance(values, list) else []

    def _demand_tenant(self, tenant: str) -> None:
        identity = self.identity
        if identity is not None and identity.tenant != tenant:
            raise Rejected("wrong_tenant", "the root of another tenant")
