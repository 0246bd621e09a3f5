"""The root half under attack: whoever owns the server's keys gets what policy and budgets allow, and nothing else."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from mainstay_agent.authority.embedded import Embedded, open_authority
from mainstay_agent.authority.launch import Outcome
from mainstay_agent.authority.verbs import Peer
from mainstay_agent.host.ed25519 import KeyPair
from mainstay_agent.host.zones import zone
from mainstay_trust import canonical, dsse, notes, results
from mainstay_trust.errors import Rejected
from mainstay_trust.notes import COSIGNER_KEY, Vkey
from mainstay_trust.orders import Succession, Unfreeze
from tests.agent.conftest import authority_fingerprint
from tests.agent.fakes import DEVICE, NOW, ORIGIN, OTHER, TENANT, Ledger, RecordingLauncher, Tenancy, inline, pair, service


def submit(helper: Embedded, delivery: dict[str, Any], tenancy: Tenancy | None = None) -> tuple[str, str | None]:
    answer = helper.ask("submit", {"delivery": delivery})
    if tenancy is not None:
        tenancy.held = answer["checkpoint"]["size"]  # type: ignore[index,call-overload,assignment]
    return str(answer["decision"]), answer["code"]  # type: ignore[return-value]


def chain(helper: Embedded) -> list[tuple[str, str | None]]:
    page = helper.ask("log", {"all": True})["results"]
    opened = [results.parse_result(dsse.from_json(one["envelope"]).payload) for one in page]  # type: ignore[union-attr,index,call-overload]
    return [(result.decision, result.reason) for result in opened]


def test_a_signed_logged_restart_runs_once_and_leaves_two_links(helper, tenancy, launcher) -> None:
    decision = submit(helper, tenancy.deliver(tenancy.command()))

    assert decision == ("started", None)
    assert launcher.effects == ["restart"]
    assert chain(helper) == [("started", None), ("done", None)]
    assert helper.ask("log", {"verify": True})["code"] is None


def test_the_program_is_told_the_service_of_the_stored_policy(helper, tenancy, launcher) -> None:
    submit(helper, tenancy.deliver(tenancy.command()))

    _, _, request = launcher.launched[0]
    assert request["params"] == {"unit": "web"}
    assert request["service"]["start"] == ["/opt/web/ctl", "start"]


def test_the_started_link_is_durable_before_the_effect_begins(helper, tenancy, launcher, tmp_path) -> None:
    seen: list[list[tuple[str, str | None]]] = []
    launcher.during = lambda: seen.append(chain(helper))

    submit(helper, tenancy.deliver(tenancy.command()))

    assert seen == [[("started", None)]]


def test_a_replayed_command_does_not_run_and_its_result_is_offered_again(helper, tenancy, launcher) -> None:
    delivery = tenancy.deliver(tenancy.command())
    submit(helper, delivery)
    helper.ask("log", {"ack_through": 1})

    first, second = submit(helper, delivery), submit(helper, delivery)

    assert (first, second) == (("refused", "replayed"), ("quiet", "replayed"))
    assert launcher.effects == ["restart"]
    offered = helper.ask("log", {})["results"]
    assert [one["seq"] for one in offered] == [0, 1, 2]


def test_a_restart_of_the_root_half_forgets_no_replay(helper, open_helper, tenancy, launcher) -> None:
    delivery = tenancy.deliver(tenancy.command())
    submit(helper, delivery)
    helper.authority.store.close()

    again = Embedded(open_helper(), Peer(1001, is_trusted=False))

    assert submit(again, delivery) == ("refused", "replayed")
    assert launcher.effects == ["restart"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"exp": NOW - 1, "nbf": NOW - 3600}, "expired"),
        ({"nbf": NOW + 60}, "not_yet"),
        ({"exp": NOW + 8 * 86400}, "validity_too_long"),
        ({"tenant": OTHER}, "wrong_tenant"),
        ({"aud": (OTHER,)}, "wrong_audience"),
        ({"aud": (DEVICE, OTHER), "max_targets": 1}, "audience_too_wide"),
        ({"params": {"unit": "payroll"}}, "not_allowed"),
        ({"params": {"unit": "sshd.service"}}, "not_allowed"),
        ({"params": {"unit": "--force"}}, "bad_params"),
        ({"params": {"unit": "web; rm -rf /"}}, "bad_params"),
        ({"params": {"unit": "web", "script": "id"}}, "bad_params"),
        ({"params": {"unit": "web", "LD_PRELOAD": "/tmp/x.so"}}, "bad_params"),
        ({"policy_epoch": 0}, "epoch_old"),
        ({"action": "budget.reset@1"}, "unknown_action"),
        ({"action": "patch.install@1", "params": {"packages": [{"name": "a", "version": "1"}]}}, "unknown_action"),
        ({"action": "script.run@1", "params": {}}, "tier_mismatch"),
        ({"action": "script.run@1", "tier": "T3", "params": {}, "exp": NOW + 600}, "threshold"),
        ({"action": "runbook.run@1", "tier": "T2", "params": {}}, "tier_disabled"),
        ({"action": "logs.tail@1", "tier": "T0", "params": {"source": "/etc/shadow", "lines": 10}}, "not_allowed"),
        ({"action": "logs.tail@1", "tier": "T0", "params": {"source": "/var/log/../../etc/shadow", "lines": 10}}, "not_allowed"),
        ({"action": "probe.tcp@1", "tier": "T0", "params": {"target": "10.0.0.1:22"}}, "not_allowed"),
    ],
)
def test_what_a_thief_of_the_server_key_may_not_do(helper, tenancy, launcher, changes, code) -> None:
    command = replace(tenancy.command(), **changes)

    decision = submit(helper, tenancy.deliver(command))

    assert decision == ("refused", code)
    assert launcher.effects == []
    assert chain(helper) == [("refused", code)]


@pytest.mark.parametrize("key", ["reply", "publisher_key", "policy_key", "root_key"])
def test_no_other_key_signs_a_repair(helper, tenancy, launcher, key) -> None:
    delivery = tenancy.deliver(tenancy.command(), signers=(getattr(tenancy, key),))

    assert submit(helper, delivery) == ("refused", "threshold")
    assert launcher.effects == []


def test_a_strangers_signature_is_none(helper, tenancy, launcher) -> None:
    assert submit(helper, tenancy.deliver(tenancy.command(), signers=(pair(0x66),))) == ("refused", "no_valid_signature")
    assert launcher.effects == []


def test_even_two_operators_get_no_script_from_this_build(helper, tenancy, launcher) -> None:
    command = replace(tenancy.command(), action="script.run@1", tier="T3", params={}, exp=NOW + 600)

    assert submit(helper, tenancy.deliver(command, signers=tenancy.operator_keys)) == ("refused", "tier_disabled")


def test_tampered_bytes_lose_their_signature(helper, tenancy, launcher) -> None:
    delivery = tenancy.deliver(tenancy.command())
    other = tenancy.deliver(tenancy.command(params={"unit": "payroll"}))
    delivery["envelope"]["payload"] = other["envelope"]["payload"]

    assert submit(helper, delivery) == ("refused", "no_valid_signature")


def test_an_unlogged_command_is_refused(helper, tenancy, launcher) -> None:
    assert submit(helper, tenancy.deliver(tenancy.command(), logged=False)) == ("refused", "not_logged")
    assert launcher.effects == []


def test_a_command_logged_only_in_a_forked_ledger_is_an_alarm(helper, tenancy, launcher) -> None:
    helper.ask("docs", {"op": "checkpoint", **heartbeat(tenancy, grow=2)})
    fork = Ledger(pair(0x05))
    for number in range(5):
        fork.append("access.tenant.created", f"fork{number}", b"")
    tenancy.ledger, tenancy.held = fork, 3

    assert submit(helper, tenancy.deliver(tenancy.command())) == ("refused", "ledger_alarm")
    assert helper.ask("query", {})["ledger_alarm"] == "doubt"
    assert launcher.effects == []


def test_a_delivery_from_another_history_stops_repair_for_good_commands_too(helper, tenancy, launcher) -> None:
    helper.ask("docs", {"op": "checkpoint", **heartbeat(tenancy, grow=2)})
    tenancy.held, genuine, fork = 3, tenancy.ledger, Ledger(pair(0x05))
    fork.append("access.tenant.created", "fork", b"")
    tenancy.ledger = fork
    assert submit(helper, tenancy.deliver(tenancy.command())) == ("refused", "ledger_alarm")
    assert helper.ask("query", {})["ledger_alarm"] == "fork"  # as long as ours, with another root

    tenancy.ledger = genuine
    assert submit(helper, tenancy.deliver(tenancy.command())) == ("refused", "ledger_alarm")
    helper.ask("docs", {"op": "checkpoint", **heartbeat(tenancy, grow=1)})
    assert helper.ask("query", {})["ledger_alarm"] == "fork"
    assert submit(helper, tenancy.deliver(tenancy.command("proc.list@1", {})))[0] == "started"
    assert launcher.effects == []


def test_a_delivery_that_only_lacks_its_proof_is_refused_without_an_alarm(helper, tenancy, launcher) -> None:
    helper.ask("docs", {"op": "checkpoint", **heartbeat(tenancy, grow=2)})
    tenancy.held = 3

    assert submit(helper, tenancy.deliver(tenancy.command()) | {"consistency": []}) == ("refused", "ledger_alarm")
    assert helper.ask("query", {})["ledger_alarm"] is None
    assert submit(helper, tenancy.deliver(tenancy.command()))[0] == "started"


def an_unfreeze(tenancy: Tenancy, key: str = "operator", **changes: Any) -> dict[str, Any]:
    keys = {"operator": tenancy.operator_keys[0], "server": tenancy.server, "policy": tenancy.policy_key}
    order = Unfreeze(TENANT, (), NOW + 120, NOW + 3600, "the flood is over")
    return {"op": "order", "envelope": dsse.seal(dsse.UNFREEZE, replace(order, **changes).encode(), [keys[key].signer()]).as_json()}


def test_an_operator_lifts_what_a_server_froze(helper, tenancy, launcher, clock) -> None:
    helper.ask("freeze", {"for_s": 7200})
    assert submit(helper, tenancy.deliver(tenancy.command())) == ("refused", "frozen")
    clock.advance(180)

    assert helper.ask("docs", an_unfreeze(tenancy))["freeze"] is False
    assert chain(helper)[-1] == ("local", "lifted")
    assert submit(helper, tenancy.deliver(tenancy.command()))[0] == "started"


@pytest.mark.parametrize(
    ("key", "changes", "code"),
    [
        ("server", {}, "threshold"),
        ("policy", {}, "threshold"),
        ("operator", {"aud": (OTHER,)}, "wrong_audience"),
        ("operator", {"tenant": OTHER}, "wrong_tenant"),
        ("operator", {"issued": NOW - 3600}, "order_old"),
        ("operator", {"issued": NOW - 3600, "expires": NOW - 60}, "expired"),
    ],
)
def test_a_freeze_is_lifted_by_no_other_order(helper, tenancy, key, changes, code) -> None:
    helper.ask("freeze", {"for_s": 7200})

    for _ in range(2):
        with pytest.raises(Rejected) as refusal:
            helper.ask("docs", an_unfreeze(tenancy, key, **changes))
        assert refusal.value.code == code
    assert helper.ask("query", {})["freeze"] is True
    assert chain(helper) == [("local", code)]  # once, however often it is offered


def test_an_order_lifts_no_freeze_of_this_machine(helper, tenancy, tmp_path: Path) -> None:
    helper.authority.settings.freeze_file.touch()

    with pytest.raises(Rejected, match="not_frozen"):
        helper.ask("docs", an_unfreeze(tenancy))
    assert helper.ask("query", {})["freeze"] is True


NEW_ORIGIN = "ledger.example/harbor-law/2"


def a_succession(old: Ledger, new: Ledger, key: KeyPair, **changes: Any) -> dict[str, Any]:
    last = old.checkpoint()
    order = Succession(TENANT, ORIGIN, last.size, last.root.hex(), NEW_ORIGIN, str(new.vkey), new.note().decode(), "restored", NOW)
    return {"op": "order", "envelope": dsse.seal(dsse.SUCCESSION, replace(order, **changes).encode(), [key.signer()]).as_json()}


def a_new_ledger() -> Ledger:
    return Ledger(pair(0x35), NEW_ORIGIN)


def test_only_a_succession_signed_by_root_clears_a_fork(helper, tenancy, launcher) -> None:
    fork = Ledger(pair(0x05))
    fork.tree = type(fork.tree)([bytes(32)])
    helper.ask("docs", {"op": "checkpoint", "note": fork.note().decode(), "consistency": []})
    assert submit(helper, tenancy.deliver(tenancy.command())) == ("refused", "ledger_alarm")
    new = a_new_ledger()

    for key in (tenancy.server, tenancy.policy_key, tenancy.operator_keys[0]):
        with pytest.raises(Rejected, match="threshold"):
            helper.ask("docs", a_succession(tenancy.ledger, new, key))
    answer = helper.ask("docs", a_succession(tenancy.ledger, new, tenancy.root_key))

    assert (answer["checkpoint"]["origin"], answer["ledger_alarm"]) == (NEW_ORIGIN, None)
    assert chain(helper)[-1] == ("local", "log_continues")
    tenancy.ledger, tenancy.held = new, new.tree.size
    assert submit(helper, tenancy.deliver(tenancy.command()))[0] == "started"


def test_a_log_that_lost_what_we_have_seen_is_followed_and_named(helper, tenancy) -> None:
    helper.ask("docs", {"op": "checkpoint", **heartbeat(tenancy, grow=4)})
    backup = Ledger(pair(0x05))

    helper.ask("docs", a_succession(backup, a_new_ledger(), tenancy.root_key))

    assert chain(helper)[-1] == ("local", "log_ended_elsewhere")


def test_after_a_succession_the_old_log_is_foreign_and_the_order_is_spent(helper, tenancy, launcher) -> None:
    order = a_succession(tenancy.ledger, a_new_ledger(), tenancy.root_key)
    helper.ask("docs", order)

    with pytest.raises(Rejected, match="unknown_origin"):
        helper.ask("docs", order)
    assert submit(helper, tenancy.deliver(tenancy.command())) == ("refused", "ledger_alarm")
    assert launcher.effects == []


def test_a_succession_whose_first_checkpoint_another_key_signed_changes_nothing(helper, tenancy) -> None:
    forged = Ledger(pair(0x36), NEW_ORIGIN)

    with pytest.raises(Rejected):
        helper.ask("docs", a_succession(tenancy.ledger, a_new_ledger(), tenancy.root_key, checkpoint=forged.note().decode()))
    assert helper.ask("query", {})["checkpoint"]["origin"] == ORIGIN


def heartbeat(tenancy: Tenancy, grow: int = 0) -> dict[str, Any]:
    held = tenancy.ledger.tree.size
    for number in range(grow):
        tenancy.ledger.append("access.tenant.created", f"more{number}", b"")
    return {"note": tenancy.ledger.note().decode(), "consistency": tenancy.ledger.consistency(held)}


def test_a_fork_stops_repair_until_a_person_decides(helper, tenancy, launcher) -> None:
    fork = Ledger(pair(0x05))
    fork.tree = type(fork.tree)([bytes(32)])
    note = fork.note().decode()

    outcome = helper.ask("docs", {"op": "checkpoint", "note": note, "consistency": []})["outcome"]

    assert outcome == "fork"
    assert submit(helper, tenancy.deliver(tenancy.command())) == ("refused", "ledger_alarm")
    assert submit(helper, tenancy.deliver(tenancy.command("proc.list@1", {})))[0] == "started"


def test_three_heartbeats_without_proof_are_a_doubt_that_a_proof_clears(helper, tenancy) -> None:
    missing = {"op": "checkpoint", "note": None, "consistency": None}
    outcomes = [helper.ask("docs", missing)["outcome"] for _ in range(3)]
    assert outcomes == ["asked_again", "asked_again", "doubt"]

    assert helper.ask("docs", {"op": "checkpoint", **heartbeat(tenancy, grow=1)})["outcome"] == "stored"
    assert helper.ask("query", {})["ledger_alarm"] is None


def test_the_fourth_restart_of_an_hour_is_over_budget_and_the_next_hour_brings_no_more_than_it_may(
    helper, tenancy, launcher, clock
) -> None:
    decisions = []
    for _ in range(4):
        decisions.append(submit(helper, tenancy.deliver(tenancy.command()), tenancy))
    assert decisions == [("started", None)] * 3 + [("refused", "budget")]

    clock.advance(3600)
    later = tenancy.command(exp=NOW + 7200, nbf=NOW + 3500)
    assert submit(helper, tenancy.deliver(later), tenancy) == ("started", None)
    assert launcher.effects == ["restart"] * 4


def test_a_device_clock_pushed_forward_refills_no_budget(helper, tenancy, launcher, clock) -> None:
    for _ in range(3):
        submit(helper, tenancy.deliver(tenancy.command()), tenancy)
    clock.set_wall((NOW + 3700) * 1000)

    later = tenancy.command(exp=NOW + 7200)

    assert submit(helper, tenancy.deliver(later), tenancy) == ("refused", "budget")


def test_a_device_clock_set_back_revives_no_expired_command(helper, tenancy, clock) -> None:
    reply = signed_time(tenancy, NOW + 7200)
    clock.advance(7200)
    helper.ask("docs", {"op": "heard", "reply": reply})
    clock.set_wall(NOW * 1000)

    assert submit(helper, tenancy.deliver(tenancy.command())) == ("refused", "expired")


def signed_time(tenancy: Tenancy, at: int) -> Any:
    payload = canonical.encode({"v": 1, "t": at, "seq": None, "body_sha256": "0" * 64, "data": {}})
    return dsse.seal(dsse.REPLY, payload, [tenancy.reply.signer()]).as_json()


def test_a_server_time_far_ahead_does_not_move_the_floor(helper, tenancy) -> None:
    assert helper.ask("docs", {"op": "heard", "reply": signed_time(tenancy, NOW + 30 * 86400)})["code"] == "clock_disagree"
    assert submit(helper, tenancy.deliver(tenancy.command())) == ("started", None)


def test_a_server_time_that_is_not_believed_is_recorded_when_that_begins(helper, tenancy) -> None:
    for at in (NOW + 30 * 86400, NOW + 31 * 86400, NOW, NOW + 30 * 86400):
        helper.ask("docs", {"op": "heard", "reply": signed_time(tenancy, at)})

    assert chain(helper) == [("local", "clock_disagree"), ("local", "clock_disagree")]


def test_a_proof_that_cannot_be_read_is_a_doubt(helper, tenancy) -> None:
    tenancy.ledger.append("access.tenant.created", "more", b"")
    body = {"op": "checkpoint", "note": tenancy.ledger.note().decode(), "consistency": ["not hex"]}

    assert helper.ask("docs", body)["outcome"] == "doubt"


def test_the_same_key_under_a_new_id_is_done_already_and_with_other_content_a_conflict(helper, tenancy, launcher) -> None:
    submit(helper, tenancy.deliver(tenancy.command(idem="run:7/step:3")), tenancy)

    same = submit(helper, tenancy.deliver(tenancy.command(idem="run:7/step:3")), tenancy)
    other = submit(helper, tenancy.deliver(tenancy.command("service.reload@1", idem="run:7/step:3")), tenancy)

    assert (same, other) == (("refused", "idem_done"), ("refused", "idem_conflict"))
    assert launcher.effects == ["restart"]


def test_the_frozen_file_stops_repair_but_not_observation(helper, tenancy, launcher, tmp_path: Path) -> None:
    (tmp_path / "freeze").touch()

    assert submit(helper, tenancy.deliver(tenancy.command())) == ("refused", "frozen")
    assert submit(helper, tenancy.deliver(tenancy.command("proc.list@1", {}))) == ("started", None)

    (tmp_path / "freeze").unlink()
    assert submit(helper, tenancy.deliver(tenancy.command())) == ("started", None)
    assert launcher.effects == ["restart"]


def test_a_server_may_freeze_for_a_while_and_cannot_lift_it_early(helper, tenancy, clock) -> None:
    submit(helper, tenancy.deliver(tenancy.command("freeze@1", {"for_s": 3600})))
    submit(helper, tenancy.deliver(tenancy.command("freeze@1", {"for_s": 60})))
    clock.advance(1800)
    assert submit(helper, tenancy.deliver(tenancy.command())) == ("refused", "frozen")

    clock.advance(1900)
    assert submit(helper, tenancy.deliver(tenancy.command(exp=NOW + 7200))) == ("started", None)


def test_an_older_policy_and_a_second_one_of_the_same_epoch_are_refused(helper, tenancy) -> None:
    helper.ask("docs", {"op": "update", "roots": [], "policy": tenancy.policy(epoch=2).as_json()})

    with pytest.raises(Rejected, match="epoch_old"):
        helper.ask("docs", {"op": "update", "roots": [], "policy": tenancy.policy(epoch=1).as_json()})
    with pytest.raises(Rejected, match="policy_equivocation"):
        helper.ask("docs", {"op": "update", "roots": [], "policy": tenancy.policy(epoch=2, max_targets=7).as_json()})
    assert helper.ask("query", {})["policy_epoch"] == 2


@pytest.mark.parametrize("key", ["server", "reply", "publisher_key"])
def test_a_policy_signed_by_the_servers_keys_is_refused(helper, tenancy, key) -> None:
    forged = tenancy.policy(epoch=2, signers=(getattr(tenancy, key),), services=[service(unit="payroll", name="payroll")])

    with pytest.raises(Rejected, match="threshold"):
        helper.ask("docs", {"op": "update", "roots": [], "policy": forged.as_json()})
    assert helper.ask("query", {})["policy_epoch"] == 1


def test_a_refused_document_is_named_in_the_chain_once(helper, tenancy) -> None:
    forged = tenancy.policy(epoch=2, signers=(tenancy.server,)).as_json()
    for _ in range(2):
        with pytest.raises(Rejected, match="threshold"):
            helper.ask("docs", {"op": "update", "roots": [], "policy": forged})
    with pytest.raises(Rejected, match="bad_root"):
        helper.ask("docs", {"op": "update", "roots": [tenancy.root(3).as_json()], "policy": None})
    with pytest.raises(Rejected, match="bad_envelope"):
        helper.ask("docs", {"op": "update", "roots": [7], "policy": None})

    assert chain(helper) == [("local", "threshold"), ("local", "bad_root"), ("local", "bad_envelope")]


def test_roots_follow_one_by_one_and_only_with_the_old_holders(helper, tenancy) -> None:
    new_key = pair(0x31)
    for forged in (tenancy.root(3, (tenancy.root_key,)), tenancy.root(2, (new_key,), new_key)):
        with pytest.raises(Rejected, match="bad_root"):
            helper.ask("docs", {"op": "update", "roots": [forged.as_json()], "policy": None})

    second = tenancy.root(2, (tenancy.root_key, new_key), new_key)
    answer = helper.ask("docs", {"op": "update", "roots": [tenancy.root().as_json(), second.as_json()], "policy": None})
    assert answer["root_version"] == 2


def test_a_first_root_pushed_by_the_server_is_refused(open_helper, tenancy) -> None:
    authority = open_helper()
    net = Embedded(authority, Peer(1001, is_trusted=False))
    net.ask("docs", {"op": "enrol", "receipt": tenancy.receipt(with_root=False)})

    for body in (
        {"op": "update", "roots": [tenancy.root().as_json()], "policy": tenancy.policy().as_json()},
        {"op": "adopt", "fingerprint": authority_fingerprint(tenancy), "roots": [tenancy.root().as_json()], "policy": None},
    ):
        with pytest.raises(Rejected, match=r"no_root|not_trusted"):
            net.ask("docs", body)

    assert submit(net, tenancy.deliver(tenancy.command(policy_epoch=0))) == ("refused", "no_root")
    assert authority.documents.root is None


def test_before_any_root_a_tenant_observes(open_helper, tenancy, launcher) -> None:
    net = Embedded(open_helper(), Peer(1001, is_trusted=False))
    net.ask("docs", {"op": "enrol", "receipt": tenancy.receipt(with_root=False)})

    assert submit(net, tenancy.deliver(tenancy.command("proc.list@1", {}, policy_epoch=0), logged=False)) == ("started", None)


def test_a_retired_server_key_is_named_revoked(helper, tenancy, launcher) -> None:
    old, tenancy.server = tenancy.server, pair(0x0A)
    helper.ask("docs", {"op": "update", "roots": [], "policy": tenancy.policy(epoch=2).as_json()})

    command = tenancy.command(policy_epoch=2)

    assert submit(helper, tenancy.deliver(command, signers=(old,))) == ("refused", "key_revoked")
    assert launcher.effects == []


def test_a_policy_past_its_end_and_a_server_silent_for_too_long_stop_repair_only(helper, tenancy, clock) -> None:
    clock.advance(31 * 86400)
    at = NOW + 31 * 86400
    late = tenancy.command(nbf=at - 60, exp=at + 600)
    assert submit(helper, tenancy.deliver(late), tenancy) == ("refused", "offline_too_long")

    clock.advance(60 * 86400)
    at += 60 * 86400
    later = tenancy.command(nbf=at - 60, exp=at + 600)
    assert submit(helper, tenancy.deliver(later), tenancy) == ("refused", "policy_expired")
    look = tenancy.command("proc.list@1", {}, nbf=at - 60, exp=at + 600)
    assert submit(helper, tenancy.deliver(look), tenancy) == ("started", None)


NIGHT = {"id": "night", "zone": "Pacific/Auckland", "rrule": "FREQ=DAILY", "start": "22:00", "end": "06:00"}
NOON_UTC = NOW + 12 * 3600  # 01:00 of the next day in Auckland


def test_a_window_is_judged_in_its_own_zone_by_the_devices_clock(helper, tenancy, launcher, clock) -> None:
    helper.ask("docs", {"op": "update", "roots": [], "policy": tenancy.policy(epoch=2, windows=[NIGHT]).as_json()})
    waiting = tenancy.command(policy_epoch=2, window="night", exp=NOON_UTC + 3600)
    assert submit(helper, tenancy.deliver(waiting), tenancy) == ("held", "window_closed")
    helper.ask("docs", {"op": "heard", "reply": signed_time(tenancy, NOON_UTC)})
    helper.ask("query", {"wake": True})
    assert launcher.effects == []

    clock.advance(12 * 3600)
    helper.ask("query", {"wake": True})

    assert launcher.effects == ["restart"]
    assert chain(helper) == [("held", "window_closed"), ("started", None), ("done", None)]


@pytest.mark.parametrize("place", ["Mars/Olympus", None])
def test_a_window_that_nobody_signed_or_whose_zone_is_unknown_is_none(helper, tenancy, launcher, place) -> None:
    listed = [NIGHT | {"zone": place}] if place else []
    helper.ask("docs", {"op": "update", "roots": [], "policy": tenancy.policy(epoch=2, windows=listed).as_json()})

    assert submit(helper, tenancy.deliver(tenancy.command(policy_epoch=2, window="night"))) == ("refused", "window_unknown")
    assert launcher.effects == []


def test_a_freeze_calendar_holds_what_it_names(helper, tenancy, launcher) -> None:
    freeze = {"id": "year-end", "from": NOW - 60, "to": NOW + 86400, "actions": ["service.restart"]}
    helper.ask("docs", {"op": "update", "roots": [], "policy": tenancy.policy(epoch=2, freezes=[freeze]).as_json()})

    assert submit(helper, tenancy.deliver(tenancy.command(policy_epoch=2))) == ("held", "freeze_calendar")
    assert launcher.effects == []


def test_the_machines_own_zone_is_read_from_the_machine(tmp_path) -> None:
    assert zone("device", tmp_path) is UTC

    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/localtime").write_bytes(b"no zone")
    with pytest.raises(LookupError):
        zone("device", tmp_path)


def test_a_command_of_a_later_policy_waits_for_it(helper, tenancy, launcher) -> None:
    assert submit(helper, tenancy.deliver(tenancy.command(policy_epoch=2))) == ("held", "epoch_ahead")
    assert launcher.effects == []

    helper.ask("docs", {"op": "update", "roots": [], "policy": tenancy.policy(epoch=2).as_json()})

    assert launcher.effects == ["restart"]
    assert chain(helper) == [("held", "epoch_ahead"), ("started", None), ("done", None)]


def test_a_server_cannot_pile_up_waiting_commands(helper, tenancy, monkeypatch) -> None:
    monkeypatch.setattr("mainstay_agent.authority.memory.HELD_MAX", 2)
    waiting = [tenancy.deliver(tenancy.command(policy_epoch=2)) for _ in range(3)]

    assert [submit(helper, delivery) for delivery in waiting] == [
        ("held", "epoch_ahead"),
        ("held", "epoch_ahead"),
        ("refused", "spool_full"),
    ]
    assert submit(helper, waiting[0]) == ("quiet", "epoch_ahead")
    assert len(helper.authority.memory.held()) == 2


def test_a_held_command_survives_a_restart_and_ends_at_its_time(helper, open_helper, tenancy, launcher, clock) -> None:
    submit(helper, tenancy.deliver(tenancy.command(policy_epoch=2)))
    helper.authority.store.close()
    clock.advance(3601)

    again = Embedded(open_helper(), Peer(1001, is_trusted=False))
    again.ask("query", {"wake": True})

    assert chain(again) == [("held", "epoch_ahead"), ("expired", "expired")]
    assert launcher.effects == []


def test_a_second_action_on_one_service_waits_until_the_first_has_ended(tmp_path, tenancy, clock) -> None:
    effects: list[Callable[[], None]] = []
    launcher = RecordingLauncher()
    authority = open_authority(
        tmp_path / "h", is_helper=True, clock=clock, launcher=launcher, spawn=effects.append, boot="b1", freeze=tmp_path / "f"
    )
    root = Embedded(authority, Peer(0, is_trusted=True))
    root.ask("docs", {"op": "enrol", "receipt": tenancy.receipt()})
    root.ask(
        "docs",
        {
            "op": "adopt",
            "fingerprint": authority_fingerprint(tenancy),
            "roots": [tenancy.root().as_json()],
            "policy": tenancy.policy().as_json(),
        },
    )

    first = submit(root, tenancy.deliver(tenancy.command()), tenancy)
    second = submit(root, tenancy.deliver(tenancy.command()), tenancy)
    effects.pop()()
    root.ask("query", {"wake": True})
    effects.pop()()

    assert (first, second) == (("started", None), ("held", "locked"))
    assert [decision for decision, _ in chain(root)] == ["started", "held", "done", "started", "done"]


def test_an_action_cut_short_is_looked_at_and_never_repeated(tmp_path, tenancy, clock) -> None:
    launcher = RecordingLauncher()

    def open_it(spawn: Callable[[Callable[[], None]], None]) -> Embedded:
        authority = open_authority(
            tmp_path / "h", is_helper=True, clock=clock, launcher=launcher, spawn=spawn, boot="b1", freeze=tmp_path / "f"
        )
        return Embedded(authority, Peer(0, is_trusted=True))

    dying = open_it(lambda effect: None)  # the process dies after its commit and before the effect
    dying.ask("docs", {"op": "enrol", "receipt": tenancy.receipt()})
    dying.ask(
        "docs",
        {
            "op": "adopt",
            "fingerprint": authority_fingerprint(tenancy),
            "roots": [tenancy.root().as_json()],
            "policy": tenancy.policy().as_json(),
        },
    )
    delivery = tenancy.deliver(tenancy.command())
    submit(dying, delivery)
    dying.authority.store.close()

    again = open_it(inline)

    assert chain(again) == [("started", None), ("interrupted", "restarted")]
    assert launcher.effects == []
    assert [args for _, args, _ in launcher.launched] == [("status",)]
    assert submit(again, delivery) == ("refused", "replayed")


def test_a_failed_and_a_killed_action_say_so(helper, tenancy, launcher) -> None:
    launcher.outcome = Outcome(1, b"no\n")
    submit(helper, tenancy.deliver(tenancy.command()), tenancy)
    launcher.outcome = Outcome(-9, b"", is_killed=True)
    submit(helper, tenancy.deliver(tenancy.command()), tenancy)

    assert chain(helper) == [("started", None), ("failed", None), ("started", None), ("killed", "timeout")]


def test_without_a_root_half_repair_is_refused_and_observation_goes_on(tmp_path, tenancy, clock, launcher) -> None:
    authority = open_authority(
        tmp_path / "own", is_helper=False, clock=clock, launcher=launcher, spawn=inline, boot="b1", freeze=tmp_path / "f"
    )
    own = Embedded(authority, Peer(0, is_trusted=True))
    own.ask("docs", {"op": "enrol", "receipt": tenancy.receipt()})
    own.ask(
        "docs",
        {
            "op": "adopt",
            "fingerprint": authority_fingerprint(tenancy),
            "roots": [tenancy.root().as_json()],
            "policy": tenancy.policy().as_json(),
        },
    )

    assert submit(own, tenancy.deliver(tenancy.command())) == ("refused", "no_helper")
    assert submit(own, tenancy.deliver(tenancy.command("proc.list@1", {}))) == ("started", None)
    assert launcher.effects == []
    assert {"no_helper", "evidence_unprotected"} <= set(authority.diag())


def test_a_question_for_a_key_is_answered_with_what_the_chain_says(helper, tenancy) -> None:
    submit(helper, tenancy.deliver(tenancy.command(idem="run:9/step:1")), tenancy)
    submit(helper, tenancy.deliver(tenancy.command("run.query@1", {"idem": "run:9/step:1"})))
    submit(helper, tenancy.deliver(tenancy.command("run.query@1", {"idem": "run:never/step:1"})))

    sent = [one["out"] for one in helper.ask("log", {})["results"] if one["out"] is not None]
    outputs = [json.loads(base64.b64decode(one["output_b64"])) for one in sent[1:]]
    assert [one["ran"] for one in outputs] == ["done", "never_seen"]


def test_results_carry_a_commitment_that_their_output_opens(helper, tenancy) -> None:
    submit(helper, tenancy.deliver(tenancy.command()))

    done = helper.ask("log", {})["results"][1]
    result = results.parse_result(dsse.from_json(done["envelope"]).payload)
    salt = bytes.fromhex(done["out"]["salt"])
    assert result.out_commit == results.out_commit(salt, b"ok\n")
    assert (result.tenant, result.device, result.ckpt_size) == (TENANT, DEVICE, 2)


def test_an_unreadable_envelope_is_a_signed_refusal(helper) -> None:
    for broken in ({"envelope": {"payload": "x"}}, {"envelope": None}, {}):
        decision, code = submit(helper, broken)
        assert (decision, code) == ("refused", "bad_envelope")


def test_refusals_cannot_flood_the_evidence_out(helper, tenancy, monkeypatch) -> None:
    submit(helper, tenancy.deliver(tenancy.command()), tenancy)
    monkeypatch.setattr("mainstay_agent.authority.chain.RESERVE_BYTES", 1000)

    assert submit(helper, tenancy.deliver(tenancy.command(params={"unit": "payroll"})), tenancy) == ("quiet", "spool_full")
    assert submit(helper, tenancy.deliver(tenancy.command()), tenancy) == ("quiet", "spool_full")
    assert [one["seq"] for one in helper.ask("log", {})["results"]] == [0, 1]


@pytest.mark.parametrize("verb", ["heal", "session", "exec", ""])
def test_verbs_that_are_not_built_are_unknown(helper, verb) -> None:
    with pytest.raises(Rejected, match="unknown_verb"):
        helper.ask(verb, {})


def test_only_root_lets_a_device_leave_and_the_chain_says_so(helper, tenancy) -> None:
    with pytest.raises(Rejected, match="not_trusted"):
        helper.ask("docs", {"op": "leave"})

    root = Embedded(helper.authority, Peer(0, is_trusted=True))
    root.ask("docs", {"op": "leave"})
    assert chain(helper) == [("local", "left")]

    root.ask("docs", {"op": "forget"})
    assert helper.authority.documents.identity is None
    assert not (helper.authority.settings.folder / "evidence.key").exists()
    with pytest.raises(Rejected, match="not_enrolled"):
        submit(helper, tenancy.deliver(tenancy.command()))


def test_a_policy_that_demands_witnesses_runs_nothing_that_too_few_have_seen(helper, tenancy, launcher) -> None:
    oak = pair(0x31)
    vkey = Vkey("oak", COSIGNER_KEY, oak.public)
    keys = canonical.parse_object(tenancy.policy().payload)["keys"] | {"witness": [{"name": "oak", "vkey": str(vkey)}]}
    tenancy.epoch = 2
    policy = tenancy.policy(epoch=2, keys=keys, witness_quorum=1)
    helper.ask("docs", {"op": "update", "roots": [], "policy": policy.as_json()})

    def delivery(witnessed: bool) -> dict[str, Any]:
        tenancy.held = helper.ask("query", {})["checkpoint"]["size"]
        made = tenancy.deliver(tenancy.command())
        note = notes.parse_note(tenancy.ledger.note(1))
        seen = note.with_signature(notes.cosign(note.text, vkey, oak.sign, at=NOW - 3600)).encode().decode()
        return made | {"witnessed": {"note": seen, "consistency": tenancy.ledger.consistency(1)} if witnessed else None}

    assert submit(helper, delivery(witnessed=False)) == ("refused", "ckpt_unwitnessed")
    assert launcher.effects == []
    assert submit(helper, delivery(witnessed=True))[0] == "started"
    assert launcher.effects == ["restart"]
