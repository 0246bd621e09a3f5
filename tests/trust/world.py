"""A small world for verdicts: a tenant with root, policy and log, one device, and a thief who holds the server's keys."""

import hashlib
from dataclasses import dataclass, field, replace

from mainstay_trust import canonical, commands, dsse, ledger_leaf, merkle, notes, policies, roots
from mainstay_trust.clocks import Reading
from mainstay_trust.issue import IssueProof
from mainstay_trust.keys import Role
from mainstay_trust.tlog_proof import TlogProof

from .signers import key, signer, verify

TENANT, DEVICE = "01JD0000000000000000000TEN", "01JD0000000000000000000DEV"
ORIGIN = "mainstay.aaaaaaaaaaaaaaaa/t/00000000-0000-7000-8000-000000000001/1"
NOW = 1767225600
SERVER, LOG, REPLY, OLD_SERVER, STRANGER = 1, 7, 9, 40, 99
NADIA, OMAR, CLARA = 20, 21, 22
SALT = bytes(range(32))


def service(unit, **changes):
    members = dict.fromkeys(("start", "stop", "status", "reload", "probe", "devices", "user", "cwd"))
    return members | {"name": unit, "manager": "systemd", "unit": unit, "allow": ["restart"]} | changes


def log_key(seed_byte=LOG, origin=ORIGIN):
    return notes.Vkey(origin, notes.LOG_KEY, signer(seed_byte).public)


def root_payload(**changes):
    people = (key(NADIA, "Nadia"), key(OMAR, "Omar"), key(CLARA, "Clara"))
    given = {"tenant": TENANT, "version": 1, "issued": NOW - 1000, "expires": NOW + 86400, "reduced": False}
    roles = {"root": Role(people, 2), "policy": Role(people, 2), "operator": Role(people, 2), "publisher": Role(people, 2)}
    return roots.root_payload(**(given | {"roles": roles} | changes))


def root_envelope(payload, *seeds):
    return dsse.seal(dsse.ROOT, payload, [signer(seed) for seed in seeds])


def policy_value(**changes):
    value = policies.policy_template(tenant=TENANT, epoch=4, issued=NOW - 1000)
    value["keys"] = {
        "server": [{"pub": signer(SERVER).public.hex(), "holder": "server", "expires": None}],
        "reply": [{"pub": signer(REPLY).public.hex(), "holder": "web", "expires": None}],
        "ledger": [{"origin": ORIGIN, "vkey": str(log_key())}],
    }
    value["services"] = [service("nginx.service"), service("web@1.service", allow=["start"])]
    value["log_sources"], value["probe_targets"] = ["/var/log/syslog"], ["127.0.0.1:80"]
    return value | changes


def policy(**changes):
    return policies.parse_policy(canonical.encode(policy_value(**changes)))


def policy_envelope(value, *seeds):
    return dsse.seal(dsse.POLICY, canonical.encode(value), [signer(seed) for seed in seeds])


def command(**changes):
    given = {
        "id": "01JD0000000000000000000CMD",
        "tenant": TENANT,
        "aud": (DEVICE,),
        "tier": "T1",
        "action": "service.restart@1",
        "params": {"unit": "nginx.service"},
        "nbf": NOW - 60,
        "exp": NOW + 3600,
        "max_targets": 1,
        "effect": "idempotent",
        "idem": "run:7/step:3",
        "policy_epoch": 4,
        "reason": "INC-1042",
    }
    return commands.Command(**(given | changes))


@dataclass
class Ledger:
    """The tenant's log; `issue(payload)` writes the leaf that must precede a command."""

    leaves: list[bytes] = field(default_factory=list)
    seed_byte: int = LOG
    origin: str = ORIGIN

    def add(self, act="desk.incident.opened", body=""):
        seq = len(self.leaves)
        leaf = ledger_leaf.Leaf(self.origin, seq, "2026-01-01T00:00:00.000Z", act, "p:q7", f"{act.rpartition('.')[0]}:1", "ok", "web", body)
        self.leaves.append(leaf.encode())
        return seq

    @property
    def tree(self):
        return merkle.Tree(map(merkle.leaf_hash, self.leaves))

    def checkpoint(self, size=None):
        size = len(self.leaves) if size is None else size
        return notes.Checkpoint(self.origin, size, self.tree.root(size))

    def note(self, size=None):
        return notes.sign_checkpoint(self.checkpoint(size), log_key(self.seed_byte, self.origin), signer(self.seed_byte).sign).encode()

    def issue(self, payload, *, act="automation.command.issued"):
        body = {"payload_sha256": hashlib.sha256(payload).hexdigest()}
        return self.add(act, ledger_leaf.body_commitment(SALT, body)), body

    def proof(self, seq, body, *, since, size=None):
        """Return the issue proof of a leaf under the checkpoint of `size`, consistent with the one of size `since`."""
        tree, size = self.tree, len(self.leaves) if size is None else size
        path = tuple(merkle.inclusion_proof(seq, size, tree.read))
        older, newer = sorted((since, size))
        consistency = tuple(merkle.consistency_proof(older, newer, tree.read))
        return IssueProof(TlogProof(seq, path, self.note(size), self.leaves[seq]).encode(), SALT, body, consistency)


class World:
    """A device that has seen three leaves of the log and nothing else yet."""

    def __init__(self):
        self.ledger = Ledger()
        for _ in range(3):
            self.ledger.add()
        self.state = commands.EndpointState(
            TENANT,
            DEVICE,
            Reading(NOW, NOW, NOW),
            root=roots.parse_root(root_payload()),
            policy=policy(),
            retired=(key(OLD_SERVER, "server"),),
            checkpoint=self.ledger.checkpoint(),
        )

    def judge(self, given, *seeds, payload=None, payload_type=dsse.COMMAND, issue=None, is_logged=True, **state):
        """Deliver a command as the server would: signed, written to the ledger, with its proof."""
        payload = given.encode() if payload is None else payload
        envelope = dsse.seal(payload_type, payload, [signer(seed) for seed in seeds or (SERVER,)])
        if is_logged and issue is None:
            seq, body = self.ledger.issue(payload)
            issue = self.ledger.proof(seq, body, since=3)
        return commands.check(envelope.encode(), replace(self.state, **state), verify, issue=issue)
