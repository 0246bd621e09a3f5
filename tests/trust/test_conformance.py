"""Published Merkle proofs and notes: what others accept we accept, what others refuse we refuse."""

import base64
import json

from mainstay_trust import notes
from mainstay_trust.merkle import EMPTY_ROOT, Tree, leaf_hash, node_hash, verify_consistency, verify_inclusion
from mainstay_verify import mainstay_verify as verifier

from .conformance import folder
from .signers import verify


def cases(kind):
    paths = sorted(folder("ledger/merkle").joinpath(kind).glob("*/*.json"))
    return [(str(path), json.loads(path.read_text("utf-8"))) for path in paths]


def binary(text):
    return base64.b64decode(text or "")


def proof_of(case):
    return [binary(text) for text in case["proof"] or []]


def judge_inclusion(case, judge):
    return judge(binary(case["leafHash"]), case["leafIdx"], case["treeSize"], proof_of(case), binary(case["root"]))


def judge_consistency(case, judge):
    return judge(case["size1"], case["size2"], binary(case["root1"]), binary(case["root2"]), proof_of(case))


def test_all_ninety_two_proofs_are_judged_as_published():
    inclusion, consistency = cases("inclusion"), cases("consistency")

    for path, case in inclusion:
        assert judge_inclusion(case, verify_inclusion) is not case["wantErr"], path
    for path, case in consistency:
        assert judge_consistency(case, verify_consistency) is not case["wantErr"], path

    refused = [sum(case["wantErr"] for _, case in listed) for listed in (inclusion, consistency)]
    assert (len(inclusion), len(consistency), refused) == (49, 43, [46, 40])


def test_the_offline_verifier_judges_them_the_same_way():
    judged = [judge_inclusion(case, verifier.verify_inclusion) is not case["wantErr"] for _, case in cases("inclusion")]
    judged += [judge_consistency(case, verifier.verify_consistency) is not case["wantErr"] for _, case in cases("consistency")]

    assert (len(judged), all(judged)) == (92, True)


def test_every_constant_of_rfc_6962_is_recomputed():
    constants = json.loads(folder("ledger/merkle").joinpath("constants.json").read_text("utf-8"))
    tree = Tree(leaf_hash(bytes.fromhex(text)) for text in constants["leaf_inputs_hex"])

    for entry in constants["hasher"]:
        computed = {
            "empty tree": lambda entry: EMPTY_ROOT,
            "leaf": lambda entry: leaf_hash(entry["input_text"].encode()),
            "node": lambda entry: node_hash(entry["left_text"].encode(), entry["right_text"].encode()),
        }[entry["what"]](entry)
        assert computed.hex() == entry["hash_hex"]
    for level, row in enumerate(constants["node_hashes_hex_by_level"]):
        assert [tree.read(level, index).hex() for index in range(len(row))] == row
    assert [tree.root(size).hex() for size in range(9)] == constants["root_hash_hex_by_tree_size"]


def test_published_notes_read_as_their_authors_say():
    place = folder("ledger/notes")
    expected = json.loads(place.joinpath("expected.json").read_text("utf-8"))

    for entry in expected["notes"]:
        note = notes.parse_note(place.joinpath(entry["file"]).read_bytes())
        read = [(s.name, s.key_id.hex(), len(s.blob), s.timestamp) for s in note.signatures]
        wanted = [(s["name"], s["key_id_hex"], s["signature_bytes"], s.get("cosignature_timestamp")) for s in entry["signatures"]]
        assert (note.text, read) == (entry["text"], wanted)
        if "checkpoint" in entry:
            checkpoint = notes.parse_checkpoint(note.text)
            assert [checkpoint.origin, checkpoint.size] == [entry["checkpoint"]["origin"], entry["checkpoint"]["size"]]
    assert len(expected["notes"]) == 4


def test_the_cosigned_message_is_the_published_one():
    place = folder("ledger/notes")
    note = notes.parse_note(place.joinpath("behind_the_sofa_cosigned.checkpoint").read_bytes())

    message = notes.cosigned_message(note.text, note.signatures[1].timestamp)

    assert message == place.joinpath("behind_the_sofa_cosigned_message.txt").read_bytes()


def test_the_published_signature_holds_and_no_changed_byte_survives():
    place = folder("ledger/notes")
    vkey = notes.parse_vkey(place.joinpath("example_message.vkey").read_text("utf-8"))
    data = place.joinpath("example_message.note").read_bytes()
    note = notes.parse_note(data)

    assert [found.vkey for found in notes.verify_note(note, [vkey], verify)] == [vkey]
    for position in range(len(data)):
        changed = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
        assert not holds(changed, vkey), position


def holds(data, vkey):
    try:
        return bool(notes.verify_note(notes.parse_note(data), [vkey], verify))
    except notes.Rejected:
        return False
