"""Proofs, heads, cosignatures: everything leads to a checkpoint that the log has signed."""

from datetime import UTC, datetime, timedelta

import pytest
from nacl.signing import SigningKey

from mainstay.core.ledger import queries
from mainstay.core.ledger import services as ledger
from mainstay.core.ledger.signing import verify_ed25519
from mainstay.core.ledger.tests.conftest import LogUnderTest
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.kernel.errors import Invalid, NotFound
from mainstay_trust.ledger_leaf import body_commitment, parse_leaf
from mainstay_trust.merkle import verify_consistency, verify_inclusion
from mainstay_trust.notes import COSIGNER_KEY, Checkpoint, Vkey, cosign, open_checkpoint, parse_checkpoint, parse_note, parse_vkey
from mainstay_trust.quorum import Witnessed, judge_witnesses
from mainstay_trust.tlog_proof import parse_proof, prove


def test_every_leaf_of_a_log_is_proven_under_its_newest_checkpoint(log: LogUnderTest) -> None:
    log.record(5)
    log.sequence()

    with tenant_transaction(log.tenant):
        head = queries.checkpoint(log.tenant)
        assert head is not None
        for seq in range(5):
            hashed = log.rows("SELECT hash FROM ledger_leaf WHERE tenant = %s AND seq = %s", log.tenant, seq)[0][0]
            assert verify_inclusion(hashed, seq, 5, queries.inclusion_proof(log.tenant, seq, 5), head.root)


def test_an_entry_is_covered_when_its_leaf_is_under_a_signed_checkpoint_and_not_before(log: LogUnderTest) -> None:
    [entry_id] = log.record()

    with tenant_transaction(log.tenant):
        assert not queries.is_covered(log.tenant, entry_id)
        assert queries.tlog_proof(log.tenant, entry_id) is None
    with log.sequencer() as sequencer:
        sequencer.commit_batch(log.tenant)
        with tenant_transaction(log.tenant):
            assert not queries.is_covered(log.tenant, entry_id)
        sequencer.sign_committed()
    with tenant_transaction(log.tenant):
        assert queries.is_covered(log.tenant, entry_id)


def test_waiting_for_a_leaf_ends_when_the_time_is_up(log: LogUnderTest) -> None:
    [entry_id] = log.record()

    assert not queries.wait_covered(log.tenant, entry_id, timeout_s=0)


def test_a_proof_file_convinces_somebody_who_knows_only_the_log_key(log: LogUnderTest) -> None:
    log.record(300)
    [entry_id] = log.record(payload_sha256="ab" * 32)
    log.sequence()

    with tenant_transaction(log.tenant):
        proven = queries.tlog_proof(log.tenant, entry_id)
        vkeys = [parse_vkey(key.vkey) for key in queries.log_vkeys(log.tenant)]

    assert proven is not None
    assert prove(parse_proof(proven.text), vkeys, verify_ed25519).size == 301
    leaf = parse_leaf(proven.leaf)
    assert (leaf.seq, leaf.act) == (300, "desk.incident.opened")
    assert proven.body == {"number": 0, "payload_sha256": "ab" * 32}
    assert body_commitment(bytes.fromhex(proven.salt_hex), proven.body) == leaf.body


def test_an_agent_follows_the_log_from_what_it_holds(log: LogUnderTest) -> None:
    log.record(3)
    log.sequence()
    with tenant_transaction(log.tenant):
        first = queries.heartbeat_answer(log.tenant, 0)
    log.record(4)
    log.sequence()

    with tenant_transaction(log.tenant):
        second = queries.heartbeat_answer(log.tenant, 3)
        same = queries.heartbeat_answer(log.tenant, 7)
        ahead = queries.heartbeat_answer(log.tenant, 8)

    assert first is not None
    assert second is not None
    old, new = (parse_checkpoint(parse_note(answer.note.encode()).text) for answer in (first, second))
    assert (first.consistency, old.size, new.size) == ([], 3, 7)
    assert verify_consistency(3, 7, old.root, new.root, [bytes.fromhex(node) for node in second.consistency])
    assert same == ahead == queries.HeartbeatAnswer(second.note, [])


def test_a_log_that_has_no_checkpoint_yet_says_so(log: LogUnderTest) -> None:
    with tenant_transaction(log.tenant):
        assert queries.heartbeat_answer(log.tenant, 0) is None
        assert queries.checkpoint(log.tenant) is None
        assert queries.status(log.tenant) is None


WITNESS = SigningKey(b"w" * 32)
VKEY = Vkey("agent-1", COSIGNER_KEY, bytes(WITNESS.verify_key))


def signed_by_witness(message: bytes) -> bytes:
    return bytes(WITNESS.sign(message).signature)


def cosigned(log: LogUnderTest, vkey: Vkey = VKEY) -> str:
    with tenant_transaction(log.tenant):
        head = queries.checkpoint(log.tenant)
    assert head is not None
    return str(cosign(parse_note(head.note).text, vkey, signed_by_witness, at=1_769_936_400))


def test_a_cosignature_is_verified_and_kept_once(log: LogUnderTest) -> None:
    log.record(3)
    log.sequence()
    line = cosigned(log)

    with tenant_transaction(log.tenant):
        kept = [ledger.keep_cosignature(tenant=log.tenant, line=line, vkey=VKEY, checkpoint_size=3, clock=log.clock) for _ in range(2)]
        status = queries.status(log.tenant)

    assert kept == [True, False]
    assert status is not None
    assert (status.level, status.witnesses, status.cosigned_size) == ("W1", 1, 3)
    assert log.rows("SELECT cosigned_size FROM ledger_witness WHERE tenant = %s", log.tenant) == [(3,)]


def test_the_newest_checkpoint_that_enough_witnesses_saw_lately_is_found(log: LogUnderTest) -> None:
    log.record(3)
    log.sequence()
    line = cosigned(log)
    with tenant_transaction(log.tenant):
        ledger.keep_cosignature(tenant=log.tenant, line=line, vkey=VKEY, checkpoint_size=3, clock=log.clock)
    log.record(3)
    log.sequence()
    seen_at, other = datetime.fromtimestamp(1_769_936_400, UTC), Vkey("agent-2", COSIGNER_KEY, VKEY.public)

    with tenant_transaction(log.tenant):
        found = queries.witnessed(log.tenant, [VKEY], 1, since=seen_at)
        absent = [
            queries.witnessed(log.tenant, [VKEY], 1, since=seen_at + timedelta(seconds=1)),
            queries.witnessed(log.tenant, [VKEY, other], 2, since=seen_at),
            queries.witnessed(log.tenant, [other], 1, since=seen_at),
            queries.witnessed(log.tenant, [VKEY], 0, since=seen_at),
        ]
        head, log_keys = queries.checkpoint(log.tenant), [parse_vkey(key.vkey) for key in queries.log_vkeys(log.tenant)]

    assert absent == [None, None, None, None]
    assert found is not None
    assert head is not None
    at = int(seen_at.timestamp())
    proven = Checkpoint(head.origin, head.size, head.root)
    witnessed = Witnessed(found.note.encode(), tuple(bytes.fromhex(node) for node in found.consistency))
    assert open_checkpoint(witnessed.note, log_keys, verify_ed25519)[0].size == 3
    judged = judge_witnesses(witnessed, proven, logs=log_keys, witnesses=[VKEY], quorum=1, at=at, verify=verify_ed25519)
    assert (judged, head.size) == (None, 6)


@pytest.mark.parametrize(
    ("damage", "size", "error"),
    [
        (lambda line: line[:-8] + "AAAAAA==", 3, Invalid),
        (lambda line: "no signature line", 3, Invalid),
        (lambda line: line.replace("agent-1", "agent-2"), 3, Invalid),
        (lambda line: line, 2, NotFound),
    ],
)
def test_a_cosignature_that_does_not_hold_is_refused_and_not_kept(log: LogUnderTest, damage, size, error) -> None:
    log.record(3)
    log.sequence()
    line = damage(cosigned(log))

    with pytest.raises(error), tenant_transaction(log.tenant):
        ledger.keep_cosignature(tenant=log.tenant, line=line, vkey=VKEY, checkpoint_size=size, clock=log.clock)

    assert log.rows("SELECT 1 FROM ledger_cosignature WHERE tenant = %s", log.tenant) == []


def test_a_log_without_witnesses_says_so(log: LogUnderTest) -> None:
    log.record()
    log.sequence()

    with tenant_transaction(log.tenant):
        status = queries.status(log.tenant)

    assert status is not None
    assert (status.level, status.size, status.pending, status.state) == ("W0", 1, 0, "open")


def test_an_entry_that_waits_too_long_for_its_leaf_is_counted(log: LogUnderTest) -> None:
    log.record(2)

    with tenant_transaction(log.tenant):
        assert queries.unsequenced(log.tenant, 60, log.clock.now()) == 0
        assert queries.unsequenced(log.tenant, 60, log.clock.forward(seconds=61)) == 2


def test_what_the_log_says_about_one_object_is_found_by_its_name(log: LogUnderTest) -> None:
    with tenant_transaction(log.tenant):
        for act in ("desk.incident.opened", "desk.incident.resolved"):
            ledger.record(log.actor, act, "77", clock=log.clock)
        found = [entry.act for entry in queries.entries_of(log.tenant, "desk.incident:77")]

    assert found == ["desk.incident.opened", "desk.incident.resolved"]
