"""Results: what a device signed about what it did, as links of one chain.

Owns: the members of a result, its commitment to output, the judgement of a chain.
Does not own: output and salts (they travel and are erased separately), the evidence key.
Invariant: `seq` rises by one and `prev` is the hash of the previous payload, so nothing can be left out, reordered or made up.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from mainstay_trust import canonical
from mainstay_trust.dsse import RESULT, Envelope, signed_by
from mainstay_trust.errors import Rejected
from mainstay_trust.keys import Key, Verify
from mainstay_trust.members import CROCKFORD_ID, Members

FIRST_PREV = "0" * 64
DECISIONS = ("refused", "held", "started", "done", "failed", "interrupted", "expired", "killed", "local")


@dataclass(frozen=True)
class Result:
    """One link. `cmd` is the SHA-256 of the command's payload, `id` the command's id; both None for a local healing rule."""

    tenant: str
    device: str
    seq: int
    prev: str
    t: int
    boot: str
    agent: str
    decision: str
    policy_epoch: int
    id: str | None = None
    cmd: str | None = None
    rule: str | None = None
    reason: str | None = None
    exit: int | None = None
    facts: str | None = None
    out_commit: str | None = None
    out_len: int | None = None
    truncated: bool = False
    budget_left: int | None = None
    ckpt_size: int = 0
    ckpt_root: str | None = None

    def encode(self) -> bytes:
        """Return the payload bytes that are signed; Rejected("bad_result") if a member has a wrong form."""
        payload = canonical.encode(asdict(self) | {"v": 1})
        parse_result(payload)
        return payload


@dataclass(frozen=True)
class Head:
    """The end of a chain: the number of links and the hash of the last payload."""

    seq: int = 0
    hash: str = FIRST_PREV

    def after(self, payload: bytes) -> "Head":
        return Head(self.seq + 1, hashlib.sha256(payload).hexdigest())


@dataclass(frozen=True)
class ChainVerdict:
    """`code` is None when every link holds, else why the link at `bad_index` does not; `head` is the last good end."""

    head: Head
    bad_index: int | None = None
    code: str | None = None


def parse_result(payload: bytes) -> Result:
    """Read a result payload. Errors: Rejected("bad_result")."""
    try:
        value = canonical.parse_canonical(payload, depth_max=4)
    except Rejected as error:
        raise Rejected("bad_result", error.detail) from error
    members = Members(value, code="bad_result", names=(*Result.__dataclass_fields__, "v"))
    members.count("v", least=1, most=1)
    return Result(
        tenant=members.text("tenant", form=CROCKFORD_ID),
        device=members.text("device", form=CROCKFORD_ID),
        seq=members.count("seq"),
        prev=members.digest("prev"),
        t=members.count("t"),
        boot=members.text("boot", most=64),
        agent=members.text("agent", most=64),
        decision=members.choice("decision", DECISIONS),
        policy_epoch=members.count("policy_epoch"),
        id=members.text_or_none("id", most=64),
        cmd=members.digest_or_none("cmd"),
        rule=members.text_or_none("rule", most=200),
        reason=members.text_or_none("reason", most=200),
        exit=members.count_or_none("exit", least=-255),
        facts=members.digest_or_none("facts"),
        out_commit=members.digest_or_none("out_commit"),
        out_len=members.count_or_none("out_len"),
        truncated=members.flag("truncated"),
        budget_left=members.count_or_none("budget_left"),
        ckpt_size=members.count("ckpt_size"),
        ckpt_root=members.digest_or_none("ckpt_root"),
    )


def out_commit(salt: bytes, output: bytes) -> str:
    """Return the commitment to output: SHA-256(04 || salt || output); salt has 32 bytes."""
    if len(salt) != 32:
        raise Rejected("bad_result", "a salt has 32 bytes")
    return hashlib.sha256(b"\x04" + salt + output).hexdigest()


def open_result(envelope: Envelope, evidence: Key, verify: Verify) -> Result:
    """Return a result that the device's evidence key signed. Errors: Rejected: bad_type, no_valid_signature, bad_result."""
    if envelope.payload_type != RESULT:
        raise Rejected("bad_type", "not a result")
    if not signed_by(envelope, (evidence,), verify):
        raise Rejected("no_valid_signature", "not signed by the device's evidence key")
    return parse_result(envelope.payload)


def link(head: Head, result: Result) -> str | None:
    """Return None if a result continues the chain, else `chain_seq` or `chain_prev`."""
    if result.seq != head.seq:
        return "chain_seq"
    return None if result.prev == head.hash else "chain_prev"


def verify_chain(envelopes: Iterable[Envelope], evidence: Key, verify: Verify, *, start: Head | None = None) -> ChainVerdict:
    """Judge links in order, from the beginning or from a known head; stop at the first bad one."""
    head = start or Head()
    for index, envelope in enumerate(envelopes, head.seq):
        try:
            code = link(head, open_result(envelope, evidence, verify))
        except Rejected as error:
            code = error.code
        if code is not None:
            return ChainVerdict(head, index, code)
        head = head.after(envelope.payload)
    return ChainVerdict(head)
