"""The verbs by which the networked half may speak to the authority (rule P3).

Owns: the table of verbs, the form of their bodies and answers.
Does not own: frames (`helper.frames`), who may connect (`helper.server`).
Invariant: no verb raises authority unless a person with root's rights speaks (`Peer.is_trusted`) or the signatures inside do it themselves.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mainstay_agent.authority.asking import Answer, Body
from mainstay_agent.authority.core import Authority
from mainstay_agent.authority.documents import Identity
from mainstay_agent.authority.launch import INVENTORY
from mainstay_agent.authority.orders import KINDS
from mainstay_agent.host.ed25519 import verify
from mainstay_trust import canonical, dsse, enrol
from mainstay_trust.canonical import JSON
from mainstay_trust.dsse import Envelope
from mainstay_trust.enrol import Transcript
from mainstay_trust.errors import Rejected
from mainstay_trust.keys import bytes_from_hex
from mainstay_trust.members import CROCKFORD_ID, Members

_CODE = "bad_request"
PAGE_MAX = 50  # results in one request, as the server takes them


@dataclass(frozen=True, slots=True)
class Peer:
    """Who asks, as the kernel says; `is_trusted` for root and for the authority's own user."""

    uid: int
    is_trusted: bool


def ask(authority: Authority, verb: str, body: Body, peer: Peer) -> Answer:
    """Answer one request. Errors: Rejected with a code of the specification, or unknown_verb, bad_request, not_trusted."""
    handler = _VERBS.get(verb)
    if handler is None:
        raise Rejected("unknown_verb", verb[:40])
    return handler(authority, body, peer)


def _submit(authority: Authority, body: Body, _peer: Peer) -> Answer:
    delivery = body.get("delivery")
    if not isinstance(delivery, Mapping):
        raise Rejected(_CODE, "a delivery is expected")
    submitted = authority.submit(delivery)
    return {"decision": submitted.decision, "code": submitted.code, "seq": submitted.seq} | _position(authority)


def _query(authority: Authority, body: Body, _peer: Peer) -> Answer:
    answer = authority.status()
    if body.get("wake") is True:
        answer["held"] = authority.wake()
    return answer | {"diag": [*authority.diag()]}


def _log(authority: Authority, body: Body, _peer: Peer) -> Answer:
    """Page through results: those that wait for the server, or all of them; acknowledge what the server has stored."""
    through = body.get("ack_through")
    if isinstance(through, int):
        authority.chain.acknowledge(through)
    if body.get("verify") is True:
        verdict = authority.chain.verify()
        return {"head": verdict.head.seq, "bad_index": verdict.bad_index, "code": verdict.code}
    after, is_all = body.get("after", 0), body.get("all") is True
    page = authority.chain.page(after if isinstance(after, int) else 0, PAGE_MAX, waiting_only=not is_all)
    return {"results": [*page], "running": authority.active_count, "wants_restart": authority.wants_restart}


def _collect(authority: Authority, body: Body, _peer: Peer) -> Answer:
    """Collect fact groups with root's eyes; reading is all that this verb can do."""
    groups = Members(body, code=_CODE, names=("groups",)).texts("groups", most=40)
    outcome = authority.launcher.launch(INVENTORY, {"params": {"groups": [*groups]}, "service": None})
    return {"output": outcome.output.decode("utf-8", "replace"), "exit": outcome.exit}


def _freeze(authority: Authority, body: Body, _peer: Peer) -> Answer:
    seconds = Members(body, code=_CODE, names=("for_s",)).count("for_s", least=60, most=86_400)
    return {"frozen_until": authority.freeze.freeze(seconds, authority.time.read().lower)}


def _docs(authority: Authority, body: Body, peer: Peer) -> Answer:
    handler = _DOCS.get(str(body.get("op")))
    if handler is None:
        raise Rejected(_CODE, "op is unknown")
    return handler(authority, body, peer)


def _prove(authority: Authority, body: Body, _peer: Peer) -> Answer:
    """Sign the proof of possession of the evidence key for one enrolment, and nothing else."""
    message = enrol.possession_message("evidence", _transcript(body.get("transcript")))
    return {"public": authority.evidence.public.hex(), "proof": authority.evidence.sign(message).hex()}


def _enrol(authority: Authority, body: Body, peer: Peer) -> Answer:
    """Store who we are and what enrolment vouched for; a root in it is adopted only when a trusted peer brings the code."""
    receipt = Members(body, code=_CODE, names=("op", "receipt"), optional=("code", "transcript", "mac")).record("receipt")
    named = Members({name: receipt.get(name) for name in ("device", "tenant")}, code=_CODE, names=("device", "tenant"))
    identity = Identity(named.text("device", form=CROCKFORD_ID), named.text("tenant", form=CROCKFORD_ID))
    keys = receipt.get("keys")
    authority.documents.enrol(identity, keys if isinstance(keys, Mapping) else {})
    authority.time.start_contact()
    note = receipt.get("checkpoint")
    if isinstance(note, str) and note:
        authority.ledger.begin(note.encode(), authority.documents.receipt_logs())
    if peer.is_trusted and body.get("code") is not None:
        _adopt_by_code(authority, body, receipt)
    return authority.status()


def _adopt_by_code(authority: Authority, body: Body, receipt: Body) -> None:
    transcript, envelopes = _transcript(body.get("transcript")), _envelopes(receipt.get("roots"))
    if transcript.root == enrol.NO_ROOT or not envelopes or authority.documents.root is not None:
        return
    code = enrol.parse_code(str(body.get("code")))
    authority.documents.adopt_by_code(transcript, str(body.get("mac")), code.key, envelopes)
    _take_policy(authority, receipt.get("policy"))


def _adopt(authority: Authority, body: Body, peer: Peer) -> Answer:
    """Adopt a first root by its fingerprint: a person at this machine, with root's rights, has compared it."""
    if not peer.is_trusted:
        raise Rejected("not_trusted", "a first root is adopted by root on this machine")
    fingerprint = bytes_from_hex(body.get("fingerprint"), 32, code=_CODE).hex()
    authority.documents.adopt(fingerprint, _envelopes(body.get("roots")))
    _take_policy(authority, body.get("policy"))
    return authority.status()


def _update(authority: Authority, body: Body, _peer: Peer) -> Answer:
    """Take in newer documents: they prove themselves. The first that does not ends it, and is named in the chain."""
    roots, policy = body.get("roots"), body.get("policy")
    for value in roots if isinstance(roots, list | tuple) else ():
        _or_record(authority, "root", value, lambda one: authority.documents.update([dsse.from_json(one)], None))
    _or_record(authority, "policy", policy, lambda one: _take_policy(authority, one))
    authority.wake()
    return authority.status()


def _order(authority: Authority, body: Body, _peer: Peer) -> Answer:
    """Carry out an order that people signed offline, whoever brings it."""
    value = body.get("envelope")
    envelope = dsse.from_json(value)
    kind = KINDS.get(envelope.payload_type, "order")
    _or_record(authority, kind, value, lambda _: authority.obey(envelope))
    return _position(authority)


def _or_record(authority: Authority, kind: str, value: JSON, take: Callable[[JSON], None]) -> None:
    try:
        take(value)
    except Rejected as refusal:
        authority.refuse_document(kind, hashlib.sha256(canonical.encode(value)).hexdigest(), refusal.code)
        raise


def _take_policy(authority: Authority, value: JSON) -> None:
    if value is None:
        return
    authority.documents.update((), dsse.from_json(value))
    policy = authority.documents.policy
    if policy is not None:
        authority.time.heard(policy.issued, is_contact=False)


def _held_documents(authority: Authority, _body: Body, _peer: Peer) -> Answer:
    chain, policy = authority.documents.envelopes()
    return {"roots": [one.as_json() for one in chain], "policy": policy.as_json() if policy else None}


def _heard(authority: Authority, body: Body, _peer: Peer) -> Answer:
    """Take in a signed reply: its time raises the floor, and shows that a server is there."""
    envelope = dsse.from_json(body.get("reply"))
    if envelope.payload_type != dsse.REPLY or not dsse.signed_by(envelope, authority.documents.reply_keys(), verify):
        raise Rejected("reply_mismatch", "no reply key signed it")
    at = canonical.parse_object(envelope.payload).get("t")
    return {"code": authority.hear(at) if isinstance(at, int) else None} | _position(authority)


def _checkpoint(authority: Authority, body: Body, _peer: Peer) -> Answer:
    """Take in what a heartbeat brought: a note and the proof from the checkpoint that we hold; or nothing, which is a miss."""
    note, listed = body.get("note"), body.get("consistency")
    proof = _hashes(listed) if isinstance(listed, list | tuple) else None
    outcome = authority.ledger.observe(note.encode() if isinstance(note, str) else None, proof, authority.documents.logs())
    return {"outcome": outcome} | _position(authority)


def _hashes(listed: Sequence[JSON]) -> list[bytes]:
    """Read a consistency proof; one that cannot be read proves nothing, which is for the witness to judge."""
    try:
        return [bytes_from_hex(item, 32, code=_CODE) for item in listed]
    except Rejected:
        return [b""]


def _alarm(authority: Authority, _body: Body, _peer: Peer) -> Answer:
    authority.ledger.raise_alarm()
    return _position(authority)


def _leave(authority: Authority, _body: Body, peer: Peer) -> Answer:
    """Say goodbye in the chain (rule N7): the last result that this device will sign."""
    if not peer.is_trusted:
        raise Rejected("not_trusted", "only root on this machine lets it leave")
    return {"seq": authority.record_local("leave", "left")}


def _forget(authority: Authority, _body: Body, peer: Peer) -> Answer:
    """Destroy the evidence key and all that was adopted; this process is of no use afterwards."""
    if not peer.is_trusted:
        raise Rejected("not_trusted", "only root on this machine lets it forget")
    authority.forget()
    return {}


def _position(authority: Authority) -> Answer:
    status = authority.status()
    return {name: status[name] for name in ("checkpoint", "ledger_alarm", "wants_restart", "freeze")}


def _transcript(value: JSON) -> Transcript:
    members = Members(value, code=_CODE, names=("id", "na", "ns", "spki", "root", "url"))
    texts = [members.text(name) for name in ("id", "na", "ns", "spki", "root", "url")]
    return Transcript(*texts)


def _envelopes(value: JSON) -> list[Envelope]:
    return [dsse.from_json(item) for item in value] if isinstance(value, list | tuple) else []


_DOCS: Mapping[str, Callable[[Authority, Body, Peer], Answer]] = {
    "prove": _prove,
    "enrol": _enrol,
    "adopt": _adopt,
    "update": _update,
    "order": _order,
    "held": _held_documents,
    "heard": _heard,
    "checkpoint": _checkpoint,
    "alarm": _alarm,
    "leave": _leave,
    "forget": _forget,
}
# `heal` and `session` belong to tiers that are not built: they are unknown here, not half there.
_VERBS: Mapping[str, Callable[[Authority, Body, Peer], Answer]] = {
    "submit": _submit,
    "query": _query,
    "log": _log,
    "collect": _collect,
    "freeze": _freeze,
    "docs": _docs,
}
