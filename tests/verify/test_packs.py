"""What an evidence pack proves, and how each kind of tampering is named."""

import base64
import io
import zipfile

import pytest

from mainstay_trust import pack
from mainstay_trust.merkle import consistency_proof, frontier_hashes, inclusion_proof
from mainstay_trust.tlog_proof import TlogProof
from mainstay_verify import mainstay_verify as verifier

from .judging import judge
from .packs import DEVICE, Log, canonical_line, chain, checkpoint, entries, policy, salt, sample_log


def test_an_untouched_pack_is_verified_with_the_auditors_keys():
    judged = judge(entries())

    assert (judged["exit"], judged["findings"]) == (0, [])
    assert judged["bodies"] == {"erased": 1, "intact": 9, "none": 1, "withheld": 1}
    assert judged["devices"][DEVICE]["links"] == 2
    assert (judged["leaves"], judged["acts"]["desk.incident.changed"]) == (12, 4)


def test_keys_that_the_pack_declares_itself_are_not_enough():
    judged = judge(entries(), given=None)

    assert (judged["exit"], judged["keys"]) == (3, "declared by the pack")


def test_a_missing_quorum_is_below_the_policy():
    log = sample_log()
    judged = judge(entries(log, checkpoint=checkpoint(log.tree, 12, is_cosigned=False)))

    assert judged["exit"] == 3
    assert judged["witnesses"] == "not witnessed: the holder of the signing key could rewrite it"


def test_equal_content_gives_equal_bytes_that_any_zip_tool_reads():
    data = pack.zip_bytes(entries())

    assert data == pack.zip_bytes(dict(reversed(entries().items())))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == entries()
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_window_of_a_log_is_proven_from_edge_to_edge():
    log = sample_log()
    tree = log.tree
    bodies = [body for body in log.bodies if 5 <= body.seq < 10]
    judged = judge(
        entries(
            log,
            begin=5,
            leaves=log.leaves[5:10],
            left=frontier_hashes(5, tree.read),
            to_checkpoint=consistency_proof(10, 12, tree.read),
            bodies=bodies,
            devices=[],
            before=checkpoint(tree, 5),
        )
    )

    assert (judged["exit"], judged["leaves"], judged["window_begins_after"]) == (0, 5, {"w1": 1769936400})


def test_an_item_pack_proves_single_entries():
    log = sample_log()
    tree, note = log.tree, checkpoint(log.tree, 12)
    proofs = [TlogProof(seq, tuple(inclusion_proof(seq, 12, tree.read)), note, log.leaves[seq]) for seq in (0, 7)]
    listed = [body for body in log.bodies if body.seq in (0, 7)]

    good = judge(pack.item_pack(proofs=proofs, checkpoint=note, policy=policy(), bodies=listed))
    bad = judge(pack.item_pack(proofs=[TlogProof(1, proofs[0].hashes, note, proofs[0].extra)], checkpoint=note, policy=policy()))

    assert (good["exit"], good["leaves"], good["bodies"]) == (0, 2, {"intact": 2})
    assert (bad["exit"], bad["first_bad"]["index"]) == (1, 1)


def test_a_large_log_is_judged_in_chunks():
    log = Log()
    for number in range(2 * pack.CHUNK + 300):
        log.act("desk.incident.changed", {"n": number})
    log.bodies = log.bodies[: pack.CHUNK + 2]
    packed = entries(log, devices=[], checkpoints=[checkpoint(log.tree, size) for size in (1, 4096, 5000)])

    good = judge(packed)
    packed["leaves/000000004096"] = packed["leaves/000000004096"].replace(b'"seq":5001', b'"seq":5002', 1)
    bad = judge(packed)

    assert (good["exit"], good["leaves"], good["bodies"]["intact"]) == (0, 8492, 4098)
    assert (bad["exit"], bad["first_bad"]["index"]) == (1, 5001)


def test_a_rewritten_log_is_narrowed_down_by_an_older_checkpoint():
    log = sample_log()
    forged = sample_log()
    forged.leaves[9] = forged.leaves[9].replace(b"p:q7", b"p:q8")
    judged = judge(entries(log, leaves=forged.leaves))

    assert (judged["exit"], judged["first_bad"]["index"]) == (1, 8)
    assert "something in 8..11" in judged["first_bad"]["reason"]


def tampered(change):
    packed = entries()
    change(packed)
    return packed


def cut_last_leaf(packed):
    log = sample_log()
    packed["leaves/000000000000"] = packed["leaves/000000000000"][: -len(log.leaves[-1]) - 2]
    packed["hashes/000000000000"] = packed["hashes/000000000000"][:-32]


def swap_two_leaves(packed):
    log = sample_log()
    log.leaves[8], log.leaves[9] = log.leaves[9], log.leaves[8]
    packed["leaves/000000000000"] = pack.bundle(log.leaves)


def swap_salts(packed):
    name = "bodies/000000000000.jsonl"
    packed[name] = packed[name].replace(salt(8).hex().encode(), b"x").replace(salt(9).hex().encode(), salt(8).hex().encode())
    packed[name] = packed[name].replace(b'"x"', b'"' + salt(9).hex().encode() + b'"')


def cut_a_body(packed):
    packed["bodies/000000000000.jsonl"] = packed["bodies/000000000000.jsonl"].replace(b'"priority":2,', b"")


def lose_a_body(packed):
    name = "bodies/000000000000.jsonl"
    lines = packed[name].split(b"\n")
    lines[0] = canonical_line({"seq": 0, "state": "erased"}).rstrip()
    packed[name] = b"\n".join(lines)


def forge_a_part(packed):
    packed["bodies/000000000000.jsonl"] = packed["bodies/000000000000.jsonl"].replace(b"203.0.113.9", b"203.0.113.8")


def delete_a_result(packed):
    name = f"devices/{DEVICE}.jsonl"
    lines = packed[name].split(b"\n")
    packed[name] = b"\n".join([lines[0], *lines[2:]])


def add_an_unknown_result(packed):
    packed[f"devices/{DEVICE}.jsonl"] += chain(3)[2].encode() + b"\n"


def sign_with_another_key(packed):
    packed["checkpoint.txt"] = packed["checkpoint.txt"].replace(b"\xe2\x80\x94 mainstay.", b"\xe2\x80\x94 mainstay!")


def break_the_log_signature(packed):
    lines = packed["checkpoint.txt"].split(b"\n")
    blob = bytearray(base64.b64decode(lines[4].split()[2]))
    blob[10] ^= 1
    lines[4] = b" ".join([*lines[4].split()[:2], base64.b64encode(blob)])
    packed["checkpoint.txt"] = b"\n".join(lines)


@pytest.mark.parametrize(
    ("change", "entry"),
    [
        (cut_last_leaf, "leaf 11"),
        (swap_two_leaves, "leaf 8"),
        (swap_salts, "leaf 8"),
        (cut_a_body, "leaf 0"),
        (lose_a_body, "body 0"),
        (forge_a_part, "leaf 7"),
        (delete_a_result, f"devices/{DEVICE}.jsonl link 0"),
        (add_an_unknown_result, f"devices/{DEVICE}.jsonl link 2"),
        (sign_with_another_key, "checkpoint.txt"),
        (break_the_log_signature, "checkpoint.txt"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_tampering_is_named(change, entry):
    judged = judge(tampered(change))

    assert (judged["exit"], judged["first_bad"]["entry"]) == (1, entry)


@pytest.mark.parametrize("missing", ["pack.json", "checkpoint.txt", "edges.json", "leaves/000000000000", "hashes/000000000000"])
def test_a_missing_part_is_incomplete(missing):
    packed = entries()
    del packed[missing]

    judged = judge(packed)

    assert (judged["exit"], judged["first_bad"]["entry"]) == (2, missing)


@pytest.mark.parametrize("data", [b"", b"PK", b"not a zip at all", pack.zip_bytes({"a": b""})[:-1]])
def test_what_is_not_a_pack_is_malformed(data):
    assert judge(data)["exit"] == 2


def test_the_report_never_prints_control_characters():
    report = verifier.Report({"origin": "a\x1b[2Jb\u202e"})

    assert "\x1b" not in verifier.as_text(report)
    assert "\u202e" not in verifier.as_text(report)
