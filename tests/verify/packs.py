"""A small real log, signed and packed, for the verifier to judge."""

import hashlib

from nacl.signing import SigningKey

from mainstay_trust import canonical, dsse, ledger_leaf, merkle, notes, pack, results

ORIGIN = "mainstay.aaaaaaaaaaaaaaaa/t/00000000-0000-7000-8000-000000000001/1"
DEVICE, TENANT = "01JD0000000000000000000DEV", "01JD0000000000000000000TEN"
WITNESSED_AT = 1769936400

_LOG = SigningKey(bytes([7]) * 32)
_WITNESS = SigningKey(bytes([8]) * 32)
_EVIDENCE = SigningKey(bytes([3]) * 32)
LOG_KEY = notes.Vkey(ORIGIN, notes.LOG_KEY, bytes(_LOG.verify_key))
WITNESS_KEY = notes.Vkey("witness.test/w1", notes.COSIGNER_KEY, bytes(_WITNESS.verify_key))
EVIDENCE = dsse.Signer(bytes(_EVIDENCE.verify_key), lambda message: _EVIDENCE.sign(message).signature)


def salt(seq):
    return hashlib.sha256(b"salt %d" % seq).digest()


def checkpoint(tree, size, is_cosigned=True):
    note = notes.sign_checkpoint(notes.Checkpoint(ORIGIN, size, tree.root(size)), LOG_KEY, lambda message: _LOG.sign(message).signature)
    if is_cosigned:
        line = notes.cosign(note.text, WITNESS_KEY, lambda message: _WITNESS.sign(message).signature, at=WITNESSED_AT)
        note = note.with_signature(line)
    return note.encode()


def chain(links=2):
    head, envelopes = results.Head(), []
    for seq in range(links):
        payload = results.Result(TENANT, DEVICE, seq, head.hash, 1769900000 + seq, "b1", "1.0.0", "done", 4).encode()
        envelopes.append(dsse.seal(dsse.RESULT, payload, [EVIDENCE]))
        head = head.after(payload)
    return envelopes


class Log:
    """Leaves in order with their bodies; `act(...)` appends one."""

    def __init__(self):
        self.leaves, self.bodies = [], []

    def act(self, act, body=None, *, disclosed=True, **members):
        seq = len(self.leaves)
        commitment = "" if body is None else ledger_leaf.body_commitment(salt(seq), body)
        at = f"2026-01-15T12:{seq // 60 % 60:02d}:{seq % 60:02d}.000Z"
        obj = f"{act.rpartition('.')[0]}:{seq:02d}"
        self.leaves.append(ledger_leaf.Leaf(ORIGIN, seq, at, act, "p:q7", obj, "ok", "web", commitment, **members).encode())
        if body is not None and disclosed:
            self.bodies.append(pack.Body(seq, salt(seq), body))
        return seq

    @property
    def tree(self):
        return merkle.Tree(map(merkle.leaf_hash, self.leaves))


def sample_log():
    """Twelve leaves: ordinary acts, an enrolment, two results, an erased body, a withheld one, a part disclosed by itself."""
    log = Log()
    log.act("desk.incident.opened", {"title": "Zürich \u2028 é", "priority": 2})
    log.act("estate.device.enrolled", {"device": DEVICE, "evidence_key_id": hashlib.sha256(EVIDENCE.public).hexdigest()})
    for envelope in chain():
        log.act("automation.result.recorded", {"payload_sha256": hashlib.sha256(envelope.payload).hexdigest()})
    erased = log.act("desk.contact.added", {"name": "Paul"}, disclosed=False)
    log.act("ledger.entry.erased", ref=erased)
    log.act("desk.incident.noted", {"note": "not shown"}, disclosed=False)
    seq = len(log.leaves)
    part = ledger_leaf.part_commitment(salt(1000), "203.0.113.9")
    log.act("access.session.opened", {"ip": {"$c": part}, "method": "passkey"})
    log.bodies.append(pack.Part(seq, part, salt(1000), "203.0.113.9"))
    for number in range(4):
        log.act("desk.incident.changed", {"priority": [number, number + 1]})
    log.bodies = sorted([*log.bodies, pack.Gone(erased, "erased")], key=lambda disclosure: disclosure.seq)
    return log


def policy(quorum=1):
    return pack.policy_text([LOG_KEY], [("w1", WITNESS_KEY)], quorum)


def entries(log=None, **changes):
    log = log or sample_log()
    tree = log.tree
    device = pack.DeviceChain(DEVICE, TENANT, EVIDENCE.public, 1, chain())
    given = {
        "leaves": log.leaves,
        "checkpoint": checkpoint(tree, tree.size),
        "policy": policy(),
        "bodies": log.bodies,
        "devices": [device],
        "checkpoints": [checkpoint(tree, min(8, tree.size), is_cosigned=False)],
    }
    return pack.log_pack(**(given | changes))


def canonical_line(value):
    return canonical.encode(value) + b"\n"
