"""The verifier as an auditor runs it: one file, four commands, four exit codes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mainstay_trust import ledger_leaf, pack, tiles
from mainstay_trust.merkle import inclusion_proof
from mainstay_trust.tlog_proof import TlogProof
from mainstay_verify import mainstay_verify as verifier

from .judging import judge
from .packs import DEVICE, Log, chain, checkpoint, entries, policy, sample_log

SCRIPT = Path(verifier.__file__)


@pytest.fixture
def run(tmp_path, capsys):
    (tmp_path / "policy.txt").write_text(policy(), "utf-8")

    def run(command, name, *options, has_policy=True):
        given = ["--policy", str(tmp_path / "policy.txt")] if has_policy else []
        code = verifier.main([command, str(tmp_path / name), *given, *options, "--json"])
        return code, json.loads(capsys.readouterr().out)

    run.folder = tmp_path
    return run


def write_tiles(folder, log):
    tree = log.tree
    files = {"checkpoint": checkpoint(tree, tree.size)}
    for tile in tiles.tiles_of(tree.size):
        files[tile.name] = tiles.tile_bytes(tile, tree.read)
        if tile.level == 0:
            files[tile.entries_name] = tiles.bundle(log.leaves[tile.index * 256 : tile.index * 256 + tile.width])
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return files


def test_a_pack_file_is_judged(run):
    (run.folder / "pack.zip").write_bytes(pack.zip_bytes(entries()))

    assert run("pack", "pack.zip")[0] == 0
    code, judged = run("pack", "pack.zip", has_policy=False)
    assert (code, judged["verdict"]) == (3, "verified, below the policy")


def test_a_proof_is_judged_with_the_keys_given(run):
    log = sample_log()
    proof = TlogProof(3, tuple(inclusion_proof(3, 12, log.tree.read)), checkpoint(log.tree, 12), log.leaves[3])
    (run.folder / "good").write_text(proof.encode(), "utf-8")
    (run.folder / "bad").write_text(proof.encode().replace("index 3", "index 2"), "utf-8")
    (run.folder / "cut").write_text(proof.encode()[:40], "utf-8")

    assert run("proof", "good")[0] == 0
    assert run("proof", "good", has_policy=False)[0] == 3
    assert [run("proof", name)[0] for name in ("bad", "cut", "absent")] == [1, 2, 2]


def test_a_log_of_tiles_is_judged_from_its_leaves(run):
    log = Log()
    for _ in range(600):
        log.act("desk.incident.changed")
    files = write_tiles(run.folder / "log", log)

    code, judged = run("log", "log")

    assert (code, judged["leaves"], judged["acts"]) == (0, 600, {"desk.incident.changed": 600})
    assert run("log", "log", has_policy=False)[0] == 3
    for name in files:
        path = run.folder / "log" / name
        whole = path.read_bytes()
        path.write_bytes(whole[:20] + bytes([whole[20] ^ 1]) + whole[21:])
        assert run("log", "log")[0] in (1, 2), name
        path.write_bytes(whole)
    (run.folder / "log" / "tile/entries/001").unlink()
    code, judged = run("log", "log")
    assert (code, judged["first_bad"]["entry"]) == (2, "tile/entries/001")


def test_a_device_chain_alone_is_below_any_policy(run):
    (run.folder / "chain.jsonl").write_bytes(entries()[f"devices/{DEVICE}.jsonl"])

    code, judged = run("device", "chain.jsonl")

    assert (code, judged["devices"][DEVICE]["links"]) == (3, 2)


def test_a_device_chain_is_compared_with_the_ledger_of_a_pack(run):
    whole = entries()
    (run.folder / "pack.zip").write_bytes(pack.zip_bytes(whole))
    (run.folder / "chain.jsonl").write_bytes(whole[f"devices/{DEVICE}.jsonl"])
    (run.folder / "more.jsonl").write_bytes(whole[f"devices/{DEVICE}.jsonl"] + chain(3)[2].encode() + b"\n")

    assert run("device", "chain.jsonl", "--pack", str(run.folder / "pack.zip"))[0] == 0
    code, judged = run("device", "more.jsonl", "--pack", str(run.folder / "pack.zip"))
    assert (code, judged["first_bad"]["index"]) == (1, 2)


def test_an_expired_body_is_covered_by_a_range_and_a_lost_one_is_an_alarm():
    log = Log()
    for number in range(4):
        log.act("desk.incident.changed", {"n": number}, disclosed=False)
    log.act("ledger.entry.expired", range=(0, 3))
    log.bodies = [pack.Gone(seq, "expired") for seq in range(4)]

    judged = judge(entries(log, devices=[], checkpoints=[]))

    assert (judged["exit"], judged["first_bad"]["entry"]) == (1, "body 3")
    assert judged["bodies"] == {"MISSING": 1, "expired": 3, "none": 1}


def test_a_clock_that_stepped_back_is_reported_but_not_called_tampering():
    log = Log()
    log.act("desk.incident.opened")
    first = ledger_leaf.parse_leaf(log.leaves[0])
    for seq, at in ((1, "2026-01-15T11:55:00.000Z"), (2, "2026-01-15T11:49:59.000Z")):
        log.leaves.append(ledger_leaf.Leaf(first.log, seq, at, first.act, first.actor, first.obj, "ok", "web", "").encode())

    judged = judge(entries(log, devices=[], checkpoints=[]))

    assert (judged["exit"], judged["clock_steps_back"]) == (0, [{"leaf": 2, "seconds": 301}])


def test_without_a_library_the_verdict_is_the_same(monkeypatch):
    monkeypatch.setattr(verifier, "_LIBRARY", None)

    assert judge(entries())["exit"] == 0


def test_the_file_runs_alone_without_mainstay_or_any_package(tmp_path):
    shutil.copy(SCRIPT, tmp_path / "mainstay_verify.py")
    (tmp_path / "pack.zip").write_bytes(pack.zip_bytes(entries()))
    (tmp_path / "policy.txt").write_text(policy(), "utf-8")
    alone = [sys.executable, "-I", "-S", "mainstay_verify.py", "pack", "pack.zip", "--policy", "policy.txt"]

    done = subprocess.run(alone, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.splitlines()[0], done.stderr) == (0, "verified", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mainstay_verify.py", "pack.zip", "policy.txt"]


@pytest.mark.parametrize(
    "text",
    ["log x", "log a+b", "witness w", "group g 2 w1", "quorum nobody", "nonsense", "group g any w9"],
)
def test_a_malformed_policy_is_refused(text):
    with pytest.raises(verifier.Malformed):
        verifier.parse_policy(f"{policy()}{text}\n", "--policy")


def test_groups_of_groups_are_counted():
    nested = verifier.parse_policy(policy(0).replace("quorum none\n", "group a any w1\ngroup b all a w1\nquorum b\n"), "--policy")

    assert nested.is_satisfied("b", frozenset({"w1"}))
    assert not nested.is_satisfied("b", frozenset())


def test_a_group_that_contains_itself_is_refused():
    with pytest.raises(verifier.Malformed):
        verifier.parse_policy(policy(0).replace("quorum none\n", "group a any a\nquorum a\n"), "--policy")
