"""The ledger's own vectors: commitments, leaves, roots, log and witness signatures."""

import base64

import pytest
from nacl.signing import SigningKey

from mainstay_trust import ledger_leaf, merkle, notes, tlog_proof
from mainstay_trust.errors import Rejected
from mainstay_trust.ledger_leaf import Leaf

from .signers import verify

ORIGIN = "mainstay.aaaaaaaaaaaaaaaa/t/00000000-0000-7000-8000-000000000001/1"
SALT, PART_SALT = bytes(range(32)), bytes(range(32, 64))
BODY_0 = {"changed": {"priority": ["3", "1"]}, "note": "Zürich \u2028 é"}
LOG, WITNESS = SigningKey(SALT), SigningKey(PART_SALT)
LOG_KEY = notes.Vkey(ORIGIN, notes.LOG_KEY, bytes(LOG.verify_key))
WITNESS_KEY = notes.Vkey("witness.test/w1", notes.COSIGNER_KEY, bytes(WITNESS.verify_key))


def leaves():
    first = ledger_leaf.body_commitment(SALT, BODY_0)
    second = ledger_leaf.body_commitment(SALT, ledger_leaf.with_parts({"ip": "203.0.113.9", "method": "passkey"}, {"ip": PART_SALT}))
    at, later, erased = "2026-01-15T12:00:00.000Z", "2026-01-15T12:00:01.250Z", "2026-02-01T09:00:00.000Z"
    return [
        Leaf(ORIGIN, 0, at, "desk.incident.changed", "p:q7", "desk.incident:01", "ok", "web", first).encode(),
        Leaf(ORIGIN, 1, later, "access.session.opened", "p:q7", "access.session:02", "ok", "web", second).encode(),
        Leaf(ORIGIN, 2, erased, "ledger.entry.erased", "p:k2", "ledger.entry:0", "ok", "cli", "", ref=0).encode(),
    ]


TREE = merkle.Tree(map(merkle.leaf_hash, leaves()))
CHECKPOINT = notes.Checkpoint(ORIGIN, 3, TREE.root(3))


def test_commitments_of_bodies_and_parts():
    body = {"actor": "user:7", "field": "dob", "new": "1980-01-02"}

    assert ledger_leaf.body_commitment(SALT, body) == "f4a600ba13ea019f9299057d21ba459bed4ec31d1efb21356c42937ac91d6efa"
    assert ledger_leaf.body_commitment(SALT, BODY_0) == "e331ad071b94faac5dce64db1af4834383bfc9df51f728f6e7a1d02f1f30806d"
    part = ledger_leaf.part_commitment(PART_SALT, "203.0.113.9")
    assert part == "875f20baa5e79b471961e81b882928d2b07ca9024ad5121344717fddf37ed26f"
    whole = ledger_leaf.body_commitment(SALT, {"ip": {"$c": part}, "method": "passkey"})
    assert whole == "9f42e7e69718f3bbc47214a0c052c05eeaea2ff75d36b3c06bca13041a0c0f24"


def test_leaves_have_these_bytes():
    measured = [(len(leaf), merkle.leaf_hash(leaf).hex()) for leaf in leaves()]

    assert measured == [
        (289, "c5a8c61c6983e38e66253dd797c72ad9bc4d1a4ab2e0b45bea84c8be498cf254"),
        (290, "58671f9bd6c88b48bfc2f2d15923cb9f72c324c13ed90c57f5443337eca5d3d3"),
        (229, "7987916ab1e914c21f5bab91c6ee4137985aec93b93bb01ea3fa6d76dd2fd0a0"),
    ]


def test_roots_and_proofs():
    roots = [base64.b64encode(TREE.root(size)).decode() for size in (1, 2, 3)]
    hashes = [merkle.leaf_hash(leaf) for leaf in leaves()]

    assert roots == [
        "xajGHGmD445mJT3Xl8cq2bxNGkqy4LRb6oTIvkmM8lQ=",
        "NNKSEUxYm29QHrcC/0w+4CW8FA/N502C0AMADpSRfqQ=",
        "G+qyquEFEw1+9EjYiWQMVRSwOPRBQXCfIJlA7FlEqZg=",
    ]
    assert merkle.inclusion_proof(0, 3, TREE.read) == [hashes[1], hashes[2]]
    assert merkle.inclusion_proof(2, 3, TREE.read) == [TREE.root(2)]
    assert merkle.consistency_proof(2, 3, TREE.read) == [hashes[2]]


def test_tree_arithmetic_knows_nothing_of_leaf_formats():
    commitment = "f4a600ba13ea019f9299057d21ba459bed4ec31d1efb21356c42937ac91d6efa"
    raw = [
        b'{"act":"record.update","at":"2026-01-15T12:00:00Z","body":"%s","obj":"patient:42","seq":0,"v":1}' % commitment.encode(),
        b'{"act":"ledger.erase","at":"2026-02-01T09:00:00Z","body":"","obj":"ledger:0","seq":1,"v":1}',
    ]
    tree = merkle.Tree(map(merkle.leaf_hash, raw))

    assert tree.read(0, 0).hex() == "b9051c37fbe8b94cd1059017a23683038797a31f27acd0f1b30b70082c833e9b"
    assert base64.b64encode(tree.root()).decode() == "ZsD4tbgRgFnJjRCkAYXgoW6z3b0Y7xIrz38+AXuVlEo="


def test_the_logs_signature_is_deterministic():
    note = notes.sign_checkpoint(CHECKPOINT, LOG_KEY, lambda message: LOG.sign(message).signature)

    assert str(LOG_KEY) == f"{ORIGIN}+c246b501+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
    expected = "wka1AUbhbBTpk19/kICu2qwXQJeFNzmCfcuf/ri6BvmQziCzi4/Vu9X/X0D1zyurrK5fY/i7fONDLJ8aRaqUf+M4ZwQ="
    assert str(note.signatures[0]) == f"— {ORIGIN} {expected}"


def test_a_witness_signs_the_time_with_the_checkpoint():
    line = notes.cosign(CHECKPOINT.text, WITNESS_KEY, lambda message: WITNESS.sign(message).signature, at=1769936400)

    assert str(WITNESS_KEY) == "witness.test/w1+ad1959f2+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X"
    assert str(line).split(" ")[2] == (
        "rRlZ8gAAAABpfxYQzVH3Qt5n3mitSKZ1RUGDsPWs30r7BKAV1YW/cLj17HPadZjsHzkgCVwIpmcxyGC8qq6pesVpjKvrxPX9xEotAw=="
    )


def note():
    signed = notes.sign_checkpoint(CHECKPOINT, LOG_KEY, lambda message: LOG.sign(message).signature)
    return signed.with_signature(notes.cosign(signed.text, WITNESS_KEY, lambda message: WITNESS.sign(message).signature, at=1769936400))


def test_a_proof_file_proves_its_own_leaf():
    proof = tlog_proof.TlogProof(2, tuple(merkle.inclusion_proof(2, 3, TREE.read)), note().encode(), leaves()[2])

    assert tlog_proof.parse_proof(proof.encode()) == proof
    assert tlog_proof.prove(proof, [LOG_KEY], verify) == CHECKPOINT
    with pytest.raises(Rejected, match="not_included"):
        tlog_proof.prove(tlog_proof.TlogProof(1, proof.hashes, proof.note, proof.extra), [LOG_KEY], verify)
    with pytest.raises(Rejected, match="unknown_origin"):
        tlog_proof.prove(proof, [WITNESS_KEY], verify)


@pytest.mark.parametrize(
    "change",
    [
        {"act": "desk"},
        {"act": "Desk.incident.changed"},
        {"actor": "Tara Smith"},
        {"obj": "desk.incident: 01"},
        {"at": "2026-01-15T12:00:00Z"},
        {"out": "maybe"},
        {"via": "phone"},
        {"body": "F" * 64},
        {"body": "ab"},
        {"seq": -1},
        {"seq": True},
        {"ref": -1},
        {"range": (5, 5)},
        {"root": "zz"},
        {"prev": "x" * 201},
        {"log": ""},
        {"obj": "desk.incident:" + "é"},
    ],
    ids=str,
)
def test_a_leaf_of_another_form_is_refused(change):
    members = {"log": ORIGIN, "seq": 0, "at": "2026-01-15T12:00:00.000Z", "act": "desk.incident.changed", "actor": "p:q7"}
    members |= {"obj": "desk.incident:01", "out": "ok", "via": "web", "body": ""} | change

    with pytest.raises(Rejected, match="bad_leaf"):
        Leaf(**members).encode()


@pytest.mark.parametrize(
    "data",
    [
        leaves()[0].replace(b'"v":1', b'"v":1,"w":1'),
        leaves()[0].replace(b'"v":1', b'"v":2'),
        leaves()[0].replace(b'{"act"', b'{ "act"'),
        leaves()[0].replace(b'"out":"ok",', b""),
        leaves()[0].replace(b"web", b"\\u0077eb"),
        leaves()[0] + b" ",
        b"x" * 1025,
    ],
    ids=range(7),
)
def test_a_leaf_has_exactly_one_spelling(data):
    with pytest.raises(Rejected, match="bad_leaf"):
        ledger_leaf.parse_leaf(data)


def test_every_leaf_is_read_back():
    assert [ledger_leaf.parse_leaf(leaf).encode() for leaf in leaves()] == leaves()
    ranged = Leaf(ORIGIN, 9, "2026-01-15T12:00:00.000Z", "ledger.entry.expired", "s:worker", "ledger.log:1", "ok", "job", "", range=(0, 8))
    assert ledger_leaf.parse_leaf(ranged.encode()) == ranged
