"""Signing after the ceremony: what is shown, what is refused, what the diary keeps."""

import json

import pytest

from mainstay_sign import render
from mainstay_sign.ed25519 import verify
from mainstay_trust import dsse, orders, policies, roots

from .tool import NOW, SERVICE, TENANT


@pytest.fixture
def ready(tool):
    tool.init()
    tool.now += 60
    return tool


def edit(tool, changes, *options, out="policy2.json", current="policy.json"):
    changed = tool.put("changes.json", changes)
    return tool("policy", "edit", "--current", tool.path(current), "--changes", changed, "--out", tool.path(out), *options)


def confirmed(tool, changes, *options, **names):
    """Edit as a person at a terminal would who reads the hash from the screen."""
    edit(tool, changes, "--confirm", "nothing", *options, **names)
    digest = next(line for line in tool.shown.splitlines() if line.startswith("SHA-256 "))
    count = len(changes.get("services", [SERVICE]))
    return edit(tool, changes, "--confirm", f"{count} {digest[-4:]}", *options, **names)


def test_an_edited_policy_is_the_next_epoch_and_shows_what_changed(ready):
    other = SERVICE | {"name": "db", "unit": "postgresql.service"}

    code, outcome = confirmed(ready, {"services": [SERVICE, other]})

    root = roots.parse_root(dsse.parse((ready.folder / "root.json").read_bytes().strip()).payload)
    policy = policies.next_policy(None, root, dsse.parse((ready.folder / "policy2.json").read_bytes().strip()), verify, at=NOW)
    assert (code, outcome["version"], policy.epoch) == (0, 2, 2)
    assert 'services[db].unit: (absent) -> "postgresql.service"' in ready.shown
    assert "before: theft of this server can at worst: restart services 6 times a day" in ready.shown
    assert "after: theft of this server can at worst: restart services 12 times a day" in ready.shown


def test_nothing_is_signed_without_the_number_and_the_digits(ready):
    code, outcome = edit(ready, {"max_targets": 5}, "--confirm", "1 0000")

    assert (code, outcome["error"]["code"]) == (3, "not_confirmed")
    assert not (ready.folder / "policy2.json").exists()
    assert len(ready("diary")[1]["pages"]) == 2


def test_an_epoch_is_signed_once(ready):
    confirmed(ready, {"max_targets": 5})

    code, outcome = edit(ready, {"max_targets": 6}, "--confirm", "1 0000", out="policy2b.json")

    assert (code, outcome["error"]["code"]) == (3, "version_old")
    assert not (ready.folder / "policy2b.json").exists()


@pytest.mark.parametrize("change", [{"require_logged": False}, {"tls_mode": "pin_or_ca"}])
def test_a_weaker_policy_needs_the_word(ready, change):
    refused = edit(ready, change, "--confirm", "1 0000")
    allowed = confirmed(ready, change, "--weaken")

    assert (refused[0], refused[1]["error"]["code"]) == (3, "weaker")
    assert allowed[0] == 0


def test_characters_that_deceive_are_escaped_and_need_the_word(ready):
    hidden = SERVICE | {"name": "we\u202eb"}

    refused = edit(ready, {"services": [hidden]}, "--confirm", "1 0000")
    shown = ready.shown
    allowed = confirmed(ready, {"services": [hidden]}, "--accept-unusual")

    assert (refused[0], refused[1]["error"]["code"], allowed[0]) == (3, "unusual_characters", 0)
    assert "we<U+202E>b" in shown
    assert "\u202e" not in shown


@pytest.mark.parametrize("character", ["\x1b", "\u200b", "\u202e", "\u2066", "\ufeff", "\x9b", "\u2028", "\x7f", "\u00ad"])
def test_every_kind_of_deceiving_character_is_unusual(character):
    assert render.holds_unusual({"a": [{"b": f"x{character}"}]})
    assert render.escaped(character) == f"<U+{ord(character):04X}>"


def test_ordinary_text_of_any_language_is_not_unusual():
    assert not render.holds_unusual({"name": "Zürich Büro 東京 é", "note": "two\nlines"})


def test_the_diary_keeps_every_signature_in_order(ready):
    confirmed(ready, {"max_targets": 5})

    pages = ready("diary")[1]["pages"]

    assert [(page["seq"], page["kind"], page["version"], page["at"]) for page in pages] == [
        (0, "root", 1, NOW),
        (1, "policy", 1, NOW),
        (2, "policy", 2, NOW + 60),
    ]


@pytest.mark.parametrize("tamper", [lambda lines: lines[1:], lambda lines: [lines[1], lines[0]], lambda lines: lines[:1] + lines[:1]])
def test_a_diary_that_was_changed_stops_every_signature(ready, tamper):
    path = ready.folder / "keys.json.diary"
    path.write_bytes(b"".join(tamper(path.read_bytes().splitlines(keepends=True))))

    code, outcome = edit(ready, {"max_targets": 5}, "--confirm", "1 0000")

    assert (code, outcome["error"]["code"]) == (3, "bad_diary")


def test_an_unfreeze_is_an_operators_order_for_named_devices(ready):
    device = "01JD0000000000000000000DEV"
    order = ("unfreeze", "--tenant", TENANT, "--device", device, "--reason", "INC-1042", "--out", ready.path("unfreeze.json"))
    ready(*order, "--confirm", "nothing")
    digest = next(line for line in ready.shown.splitlines() if line.startswith("SHA-256 "))

    assert ready(*order, "--confirm", f"1 {digest[-4:]}")[0] == 0
    root = roots.parse_root(dsse.parse((ready.folder / "root.json").read_bytes().strip()).payload)
    envelope = dsse.parse((ready.folder / "unfreeze.json").read_bytes().strip())
    opened = orders.open_unfreeze(envelope, root, frozenset(), verify, at=NOW + 60)
    assert (opened.aud, opened.is_for(device), opened.is_for("01JD0000000000000000000000")) == ((device,), True, False)


def test_the_difference_of_two_policies_names_members(ready):
    confirmed(ready, {"max_targets": 5}, "--devices", "42")

    changes = ready("policy", "diff", ready.path("policy.json"), ready.path("policy2.json"))[1]["changes"]

    assert {"path": "max_targets", "old": "50", "new": "5"} in changes
    assert [change["path"] for change in changes] == ["epoch", "expires", "issued", "max_targets"]


def test_a_document_of_another_kind_is_not_signed(ready):
    ready.put("reply.json", dsse.Envelope(dsse.REPLY, b"{}", ()).as_json())

    code, outcome = ready("sign", ready.path("reply.json"), "--confirm", "1 0000")

    assert (code, outcome["error"]["code"]) == (6, "bad_type")


def test_a_command_cannot_be_signed_by_this_tool_at_all(ready):
    ready.put("command.json", dsse.Envelope(dsse.COMMAND, json.dumps({"tier": "T3"}).encode(), ()).as_json())

    assert ready("sign", ready.path("command.json"), "--confirm", "1 0000")[1]["error"]["code"] == "bad_type"
