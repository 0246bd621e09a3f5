"""A quorum of witnesses (rule W4): which cosignatures count, on which checkpoint, for how long."""

import hashlib
from dataclasses import replace

import pytest

from mainstay_trust import canonical, merkle, notes, policies
from mainstay_trust.errors import Rejected
from mainstay_trust.issue import issue_from_json
from mainstay_trust.quorum import Witnessed

from .signers import signer
from .world import NOW, ORIGIN, World, command, policy_value

ELM, OAK, ASH = 50, 51, 52
VKEY = "witness-50+bf872782+BF4hLAmA5LOfwJchE0qgIQk3Tt/SYMDT0Dy1AcjWVFep"
LINE = "\u2014 witness-50 v4cnggAAAABpVbkAITksDyqTp7gpEa4KcmMhj5SSaAEnuVPq254hDUVN+jOkbI1qS8/tzHmM7O7fHXmL/L9L/WXJfTkE3MzhGRsUDg=="
NOTE_SHA256 = "531f4194399a168f331e955bc767655ed1f5589067a631634fb3967215395aee"


def witness(seed, name=None):
    return notes.Vkey(name or f"witness-{seed}", notes.COSIGNER_KEY, signer(seed).public)


def demanding(quorum, *seeds, **changes):
    value = policy_value(witness_quorum=quorum, **changes)
    value["keys"] = value["keys"] | {"witness": [{"name": witness(seed).name, "vkey": str(witness(seed))} for seed in seeds]}
    return policies.parse_policy(canonical.encode(value))


@pytest.fixture
def world():
    return World()


def cosigned(world, size, *cosignatures, note=None):
    """Return a checkpoint of the log with the cosignatures of (seed, time), and the proof to the newest one."""
    found = notes.parse_note(world.ledger.note(size) if note is None else note)
    for seed, at in cosignatures:
        found = found.with_signature(notes.cosign(found.text, witness(seed), signer(seed).sign, at=at))
    tree = world.ledger.tree
    return Witnessed(found.encode(), tuple(merkle.consistency_proof(size, tree.size, tree.read)))


def judged(world, policy, witnessed_of):
    given = command()
    seq, body = world.ledger.issue(given.encode())
    issue = replace(world.ledger.proof(seq, body, since=3), witnessed=witnessed_of())
    return world.judge(given, issue=issue, policy=policy).code


@pytest.mark.parametrize(
    ("quorum", "cosignatures", "code"),
    [
        (1, [(ELM, NOW)], None),
        (1, [], "ckpt_unwitnessed"),
        (1, [(ELM, NOW - 86_400)], None),
        (1, [(ELM, NOW - 86_401)], "ckpt_unwitnessed"),
        (1, [(ELM, NOW + 300)], None),
        (1, [(ELM, NOW + 301)], "ckpt_unwitnessed"),
        (1, [(ASH, NOW)], "ckpt_unwitnessed"),
        (2, [(ELM, NOW), (OAK, NOW - 60)], None),
        (2, [(ELM, NOW), (OAK, NOW - 86_401)], "ckpt_unwitnessed"),
        (2, [(ELM, NOW), (ASH, NOW)], "ckpt_unwitnessed"),
        (0, [], None),
    ],
)
@pytest.mark.parametrize("size", [3, 4])
def test_fresh_cosignatures_of_named_witnesses_are_counted(world, size, quorum, cosignatures, code):
    assert judged(world, demanding(quorum, ELM, OAK), lambda: cosigned(world, size, *cosignatures)) == code


def test_one_witness_that_signs_twice_counts_once(world):
    def twice():
        once, again = cosigned(world, 3, (ELM, NOW)), cosigned(world, 3, (ELM, NOW - 1))
        return replace(once, note=once.note + again.note.splitlines(keepends=True)[-1])

    assert judged(world, demanding(2, ELM, OAK), twice) == "ckpt_unwitnessed"
    assert judged(world, demanding(1, ELM, OAK), twice) is None


def test_a_delivery_without_a_witnessed_checkpoint_is_unwitnessed(world):
    assert judged(world, demanding(1, ELM), lambda: None) == "ckpt_unwitnessed"
    assert world.judge(command(), is_logged=False, policy=demanding(1, ELM, require_logged=False)).code == "ckpt_unwitnessed"


def test_a_policy_without_named_witnesses_can_never_be_satisfied(world):
    assert judged(world, demanding(1), lambda: cosigned(world, 3, (ELM, NOW))) == "ckpt_unwitnessed"


def test_t0_needs_no_witness(world):
    observe = command(tier="T0", action="proc.list@1", params={})

    assert world.judge(observe, is_logged=False, policy=demanding(1, ELM)).code is None


def test_the_witnessed_checkpoint_must_lead_to_the_proven_one(world):
    def without_proof():
        return replace(cosigned(world, 3, (ELM, NOW)), consistency=())

    assert judged(world, demanding(1, ELM), without_proof) == "ckpt_unwitnessed"


def test_another_root_of_the_same_size_is_a_fork_and_not_a_missing_witness(world):
    def of_another_tree():
        other = World().ledger
        other.add("access.person.invited")
        return cosigned(world, 4, (ELM, NOW), note=other.note(4))

    assert judged(world, demanding(1, ELM), of_another_tree) == "ledger_alarm"


def test_a_cosignature_moved_to_another_checkpoint_does_not_hold(world):
    def moved():
        seen, line = cosigned(world, 3, (ELM, NOW)), cosigned(world, 2, (ELM, NOW)).note.splitlines(keepends=True)[-1]
        head = seen.note.splitlines(keepends=True)[:-1]
        return replace(seen, note=b"".join([*head, line]))

    assert judged(world, demanding(1, ELM), moved) == "ckpt_unwitnessed"


def test_the_logs_own_key_is_no_witness(world):
    def by_the_log():
        found = notes.parse_note(world.ledger.note(3))
        log = notes.Vkey(ORIGIN, notes.COSIGNER_KEY, signer(7).public)
        note = found.with_signature(notes.cosign(found.text, log, signer(7).sign, at=NOW)).encode()
        return replace(cosigned(world, 3), note=note)

    assert judged(world, demanding(1, ELM), by_the_log) == "ckpt_unwitnessed"


@pytest.mark.parametrize(
    "keys",
    [
        [{"name": "witness-50", "vkey": str(witness(OAK))}],
        [{"name": ORIGIN, "vkey": str(notes.Vkey(ORIGIN, notes.LOG_KEY, signer(ELM).public))}],
        [{"name": "a", "vkey": str(witness(ELM, "a"))}, {"name": "b", "vkey": str(witness(ELM, "b"))}],
        [{"name": "a"}],
    ],
)
def test_a_policy_names_each_witness_once_by_its_own_name(keys):
    value = policy_value()
    value["keys"] = value["keys"] | {"witness": keys}

    with pytest.raises(Rejected) as refused:
        policies.parse_policy(canonical.encode(value))

    assert refused.value.code == "bad_policy"


def test_the_member_of_a_delivery_is_read_strictly(world):
    given, leaf = {"note": "x", "consistency": ["00" * 32]}, {"salt": "00" * 32, "body": {}}

    assert issue_from_json("p", leaf, [], given).witnessed == Witnessed(b"x", (bytes(32),))
    assert issue_from_json("p", leaf, []).witnessed is None
    for wrong in ({"note": "x"}, given | {"more": 1}, given | {"consistency": ["zz"]}, given | {"consistency": ["00" * 32] * 64}, "x"):
        with pytest.raises(Rejected) as refused:
            issue_from_json("p", leaf, [], wrong)
        assert refused.value.code == "bad_envelope"


def test_vector_a_cosigned_checkpoint_of_three_leaves():
    """Golden bytes, for agents in other languages."""
    world = World()

    note = cosigned(world, 3, (ELM, NOW)).note

    assert str(witness(ELM)) == VKEY
    assert hashlib.sha256(note).hexdigest() == NOTE_SHA256
    assert note.decode().splitlines()[-1] == LINE
