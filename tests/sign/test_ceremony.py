"""The first ceremony: one command makes a key, a root and a policy that every device will check."""

import io
import json
import os
import stat
import subprocess
import sys

import pytest

from mainstay_sign.ed25519 import verify
from mainstay_trust import dsse, policies, roots

from .tool import DRAFT, NOW, PASSPHRASE, SERVICE, TENANT


def document(tool, name):
    return dsse.parse((tool.folder / name).read_bytes().strip())


def test_the_quick_ceremony_signs_a_root_and_a_policy_that_devices_accept(tool):
    code, outcome = tool.init()

    root = roots.first_root(document(tool, "root.json"), outcome["fingerprint"], verify)
    policy = policies.next_policy(None, root, document(tool, "policy.json"), verify, at=NOW)
    assert (code, root.version, policy.epoch, root.reduced, policy.reduced) == (0, 1, 1, True, True)
    assert (root.tenant, policy.tenant, policy.services[0].unit) == (TENANT, TENANT, "nginx.service")
    assert outcome["damage_bound"]["restarts_per_day"] == 42 * 6


def test_the_person_sees_the_worst_that_a_thief_could_do(tool):
    tool.init()

    assert "theft of this server can at worst: restart services 252 times a day" in tool.shown
    assert "run 0 scripts that you have not signed" in tool.shown


def test_no_seed_and_no_passphrase_is_on_disk_in_the_clear(tool):
    tool.init()
    keys = json.loads((tool.folder / "keys.json").read_text("utf-8"))

    assert stat.S_IMODE((tool.folder / "keys.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((tool.folder / "keys.json.diary").stat().st_mode) == 0o600
    (entry,) = keys["keys"].values()
    assert set(entry) == {"pub", "holder", "nonce", "sealed"}
    assert PASSPHRASE not in (tool.folder / "keys.json").read_text("utf-8")


def test_keys_that_have_signed_are_never_written_over(tool):
    tool.init()
    before = (tool.folder / "keys.json").read_bytes()

    code, outcome = tool.init()

    assert (code, outcome["error"]["code"]) == (3, "keys_exist")
    assert (tool.folder / "keys.json").read_bytes() == before


def test_a_ceremony_that_was_broken_off_before_it_signed_goes_on_with_its_key(tool):
    made = tool("key", "new")[1]["key_id"]

    assert tool.init()[1]["key_id"] == made


def test_a_wrong_passphrase_opens_nothing(tool):
    tool("key", "new")
    (tool.folder / "passphrase").write_text("something else\n", "utf-8")

    code, outcome = tool.init()

    assert (code, outcome["error"]["code"]) == (3, "bad_passphrase")
    assert not (tool.folder / "root.json").exists()


def test_a_short_passphrase_is_refused(tool):
    (tool.folder / "passphrase").write_text("short\n", "utf-8")

    assert tool("key", "new") == (6, {"error": {"code": "weak_passphrase", "message": "a passphrase has at least 8 characters"}})


def test_a_relabelled_key_does_not_open(tool):
    tool("key", "new", "--holder", "Nadia")
    keys = json.loads((tool.folder / "keys.json").read_text("utf-8"))
    next(iter(keys["keys"].values()))["holder"] = "Omar"
    tool.put("keys.json", keys)

    assert tool.init()[1]["error"]["code"] == "bad_passphrase"


@pytest.mark.parametrize(
    ("draft", "code"),
    [
        (DRAFT | {"invented": 1}, "bad_draft"),
        (DRAFT | {"services": [SERVICE | {"unit": "sshd.service"}]}, "bad_policy"),
        (DRAFT | {"services": [SERVICE | {"unit": "mainstay-agent.service"}]}, "bad_policy"),
        (DRAFT | {"tiers": {}}, "bad_policy"),
        (DRAFT | {"witness_quorum": 1}, "bad_draft"),
        (DRAFT | {"keys": {"server": [{"pub": "00" * 32, "holder": "x", "expires": None}], "reply": [], "ledger": []}}, "bad_key"),
    ],
)
def test_a_draft_that_devices_would_refuse_is_never_signed(tool, draft, code):
    exit_code, outcome = tool.init(draft)

    assert (exit_code, outcome["error"]["code"]) == (6, code)
    assert not (tool.folder / "keys.json").exists()


def test_two_people_make_a_root_that_is_not_reduced(tool):
    holders = [tool("key", "new", "--holder", name, keys=f"{name}.json")[1] for name in ("Nadia", "Omar")]
    listed = [{"pub": holder["pub"], "holder": holder["holder"]} for holder in holders]
    plan = {"tenant": TENANT, "version": 1, "roles": {name: {"threshold": 2, "keys": listed} for name in ("root", "policy")}}
    tool("init", "--plan", tool.put("plan.json", plan), "--out", tool.path("."))
    confirm = tool.confirmation("root.json")

    for name in ("Nadia", "Omar"):
        assert tool("sign", tool.path("root.json"), "--out", tool.path(f"by-{name}"), "--confirm", confirm, keys=f"{name}.json")[0] == 0
    alone = tool("verify", tool.path("by-Nadia"), "--root", tool.path("root.json"))
    tool("combine", tool.path("both"), tool.path("by-Nadia"), tool.path("by-Omar"))
    together = tool("verify", tool.path("both"), "--root", tool.path("root.json"))

    assert (alone[0], alone[1]["error"]["code"]) == (3, "threshold")
    assert together == (0, {"kind": "root", "version": 1, "holders": ["Nadia", "Omar"], "threshold": 2})
    assert roots.parse_root(document(tool, "both").payload).reduced is False


def test_the_passphrase_may_come_through_a_descriptor(tool):
    reading, writing = os.pipe()
    os.write(writing, PASSPHRASE.encode() + b"\n")
    os.close(writing)
    tool.environ = {}

    code, outcome = tool("key", "new", "--passphrase-fd", str(reading))
    os.close(reading)

    assert (code, outcome["holder"]) == (0, "owner")


def test_without_a_passphrase_nothing_is_made(tool, monkeypatch):
    tool.environ = {}
    monkeypatch.setattr("sys.stdin", io.StringIO(""))

    code, outcome = tool("key", "new")

    assert (code, outcome["error"]["code"]) == (6, "no_passphrase")
    assert not (tool.folder / "keys.json").exists()


def test_another_program_drives_the_ceremony_as_a_process(tool):
    draft = tool.put("draft.json", DRAFT)
    argv = [sys.executable, "-m", "mainstay_sign", "init", "--quick", "--yes", "--json", "--tenant", TENANT, "--draft", draft]
    argv += ["--keys", tool.path("keys.json"), "--out", tool.path("out")]

    done = subprocess.run(argv, env={**os.environ, **tool.environ}, capture_output=True, text=True, check=False)

    outcome = json.loads(done.stdout)
    root = roots.first_root(dsse.parse((tool.folder / "out/root.json").read_bytes().strip()), outcome["fingerprint"], verify)
    assert (done.returncode, root.reduced) == (0, True)
