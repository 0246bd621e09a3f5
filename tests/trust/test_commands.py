"""What an endpoint answers to whoever holds the server's keys."""

import hashlib
import json
from dataclasses import replace

import pytest

from mainstay_trust import canonical, commands, dsse
from mainstay_trust.actions import CATALOGUE
from mainstay_trust.clocks import Reading
from mainstay_trust.commands import Remembered
from mainstay_trust.keys import Role

from .signers import signer, verify
from .world import CLARA, DEVICE, NADIA, NOW, OLD_SERVER, OMAR, REPLY, SERVER, STRANGER, Ledger, World, command, policy

OTHER = "01JD00000000000000000000TH"


@pytest.fixture
def world():
    return World()


def codes(verdict):
    return verdict.code, verdict.held


def test_a_signed_and_logged_restart_of_a_listed_service_is_accepted(world):
    verdict = world.judge(command())

    assert (verdict.code, verdict.command, verdict.action.name) == (None, command(), "service.restart@1")
    assert verdict.checkpoint == world.ledger.checkpoint(4)


def test_observing_needs_no_root_no_policy_no_helper_and_no_leaf(world):
    observe = command(tier="T0", action="proc.list@1", params={}, policy_epoch=0, effect="pure")
    bare = {"root": None, "policy": None, "checkpoint": None, "is_helper_present": False, "is_frozen": True}

    assert world.judge(observe, is_logged=False, receipt_keys=world.state.policy.server_keys, **bare).code is None


# Checks 1 and 2.


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b" " * (96 * 1024 + 1), "too_large"),
        (b"{", "bad_envelope"),
        (b"[]", "bad_envelope"),
        (b"\xff", "bad_envelope"),
        (b"[" * 50_000, "bad_envelope"),
        (b'{"payload":"","payload":"","payloadType":"x","signatures":[]}', "bad_envelope"),
        (b'{"payload":"e30","payloadType":"x","signatures":[{"keyid":"","sig":""}]}', "bad_envelope"),
        (b'{"payload":"e31=","payloadType":"x","signatures":[{"keyid":"","sig":""}]}', "bad_envelope"),
        (b'{"payload":"e30=","payloadType":"x","signatures":[]}', "bad_envelope"),
        (b'{"payload":"e30=","payloadType":"x","signatures":[{"keyid":"","sig":""}]}', "bad_type"),
    ],
)
def test_what_is_not_a_known_envelope_is_refused(world, data, code):
    assert commands.check(data, world.state, verify).code == code


@pytest.mark.parametrize("payload_type", [dsse.RESULT, dsse.POLICY, dsse.REPLY, dsse.BREAK_GLASS, dsse.UNFREEZE])
def test_a_document_of_another_type_is_not_a_command(world, payload_type):
    assert world.judge(command(), payload_type=payload_type).code == "bad_type"


def test_a_strangers_signature_is_none(world):
    assert world.judge(command(), STRANGER).code == "no_valid_signature"


def test_a_tampered_body_has_no_valid_signature(world):
    envelope = dsse.seal(dsse.COMMAND, command().encode(), [signer(SERVER)])
    tampered = replace(envelope, payload=command(params={"unit": "web@1.service"}).encode())

    assert commands.check(tampered.encode(), world.state, verify).code == "no_valid_signature"


def test_the_key_id_is_only_a_hint(world):
    envelope = dsse.seal(dsse.COMMAND, command(tier="T0", action="proc.list@1", params={}).encode(), [signer(SERVER)])
    misnamed = replace(envelope, signatures=(replace(envelope.signatures[0], keyid="0" * 64),))

    assert commands.check(misnamed.encode(), world.state, verify).code is None


@pytest.mark.parametrize(
    "change",
    [
        {"aud": ["*"]},
        {"aud": []},
        {"aud": [DEVICE, DEVICE]},
        {"v": 2},
        {"surprise": 1},
        {"nbf": "now"},
        {"nbf": True},
        {"exp": NOW - 61},
        {"tier": "T9"},
        {"action": "service.restart"},
        {"params": []},
        {"id": "01JD0000000000000000000cmd"},
        {"effect": "sometimes"},
        {"reason": "a\nb"},
    ],
)
def test_a_payload_of_another_shape_is_refused(world, change):
    value = json.loads(command().encode()) | change

    assert world.judge(None, payload=canonical.encode(value)).code == "bad_payload"


@pytest.mark.parametrize(
    "payload",
    [
        command().encode().replace(b'{"action"', b'{"action":"x@1","action"'),
        command().encode().replace(b'"v":1', b'"v":1.0'),
        command().encode().replace(b'"v":1', b'"v":1e0'),
        command().encode().replace(b"INC-1042", rb"\ud800"),
        command().encode().replace(b'"nginx.service"', b"[" * 40 + b"]" * 40),
        b'{"params":' + b'{"a":' * 40 + b"1" + b"}" * 41,
        b"",
        b"null",
    ],
)
def test_a_payload_that_two_readers_could_read_differently_is_refused(world, payload):
    assert world.judge(None, payload=payload).code == "bad_payload"


def test_a_missing_member_is_refused(world):
    value = json.loads(command().encode())

    for name in value:
        payload = canonical.encode({member: value[member] for member in value if member != name})
        assert world.judge(None, payload=payload).code == "bad_payload", name


# Checks 3 and 4.


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"tenant": OTHER}, "wrong_tenant"),
        ({"aud": (OTHER,)}, "wrong_audience"),
        ({"aud": (DEVICE, OTHER)}, "audience_too_wide"),
        ({"max_targets": 51}, "audience_too_wide"),
        ({"action": "budget.reset@1"}, "unknown_action"),
        ({"action": "service.restart@2"}, "unknown_action"),
        ({"tier": "T0"}, "tier_mismatch"),
        ({"action": "script.run@1", "params": {}}, "tier_mismatch"),
        ({"artefact": "0" * 64}, "tier_mismatch"),
    ],
)
def test_addressee_and_tier_are_the_endpoints_own_to_know(world, change, code):
    assert world.judge(command(**change)).code == code


def test_a_t3_command_never_names_more_than_ten_devices(world):
    aud = (DEVICE, *(f"01JD00000000000000000000{number:02d}" for number in range(10)))
    wide = command(tier="T3", action="script.run@1", params={}, aud=aud, max_targets=11, exp=NOW + 600)

    assert world.judge(wide, NADIA, OMAR).code == "audience_too_wide"


# Check 5, and what happens to everything above T1.


@pytest.mark.parametrize(
    ("given", "signers", "code"),
    [
        (command(), (REPLY,), "threshold"),
        (command(), (NADIA, OMAR), "threshold"),
        (command(), (OLD_SERVER,), "key_revoked"),
        (command(tier="T3", action="script.run@1", params={}, exp=NOW + 600), (SERVER,), "threshold"),
        (command(tier="T3", action="wipe@1", params={}, exp=NOW + 600), (SERVER, REPLY, NADIA), "threshold"),
        (command(tier="T3", action="script.run@1", params={}, exp=NOW + 600), (NADIA,), "threshold"),
        (command(tier="T3", action="script.run@1", params={}, exp=NOW + 600), (NADIA, OMAR), "tier_disabled"),
        (command(tier="T2", action="runbook.run@1", params={}, artefact="0" * 64), (SERVER,), "tier_disabled"),
        (command(tier="T2", action="runbook.run@1", params={}, artefact="0" * 64), (CLARA,), "tier_disabled"),
        (command(tier="T2", action="runbook.run@1", params={}, artefact="0" * 64), (REPLY,), "threshold"),
    ],
)
def test_who_signed_decides_and_nothing_above_t1_ever_runs(world, given, signers, code):
    assert world.judge(given, *signers).code == code


@pytest.mark.parametrize("tier", ["T1", "T2", "T3"])
@pytest.mark.parametrize("name", [name for name, action in CATALOGUE.items() if action.tier in ("T2", "T3")])
def test_no_tier_label_makes_a_higher_action_run(world, name, tier):
    generous = policy(tiers={"default": "T3"})
    given = command(tier=tier, action=name, params={}, exp=NOW + 600)

    verdict = world.judge(given, SERVER, NADIA, OMAR, policy=generous)

    assert verdict.code == ("tier_mismatch" if CATALOGUE[name].tier != tier else "tier_disabled")


def test_two_keys_of_one_holder_are_one_signature(world):
    server = world.state.policy.server_keys[0]
    twins = replace(world.state.policy, server_keys=(server, replace(server, public=signer(50).public)))
    role = Role((*twins.server_keys,), 2)

    quorum = replace(world.state, policy=twins).keyring.quorum(role, {key.key_id for key in twins.server_keys}, at=NOW)

    assert (quorum.is_reached, quorum.failure) == (False, "threshold")


def test_a_revoked_key_and_an_expired_key_are_named(world):
    key = world.state.policy.server_keys[0]
    expired = replace(world.state.policy, server_keys=(replace(key, expires=NOW - 1),))

    assert world.judge(command(), policy=policy(revoked=[key.key_id])).code == "key_revoked"
    assert world.judge(command(), policy=expired).code == "key_revoked"
    assert world.judge(command(), policy=replace(expired, server_keys=(replace(key, expires=NOW),))).code is None


# Check 6.


@pytest.mark.parametrize(
    ("clock", "code"),
    [
        (Reading(NOW - 60, NOW - 60, NOW - 60), None),
        (Reading(NOW - 61, NOW - 61, NOW - 61), "not_yet"),
        (Reading(NOW + 3600, NOW + 3600, NOW), None),
        (Reading(NOW + 3601, NOW, NOW), "expired"),
        # The floor (a signed time of the server) cannot make a command early, and a device clock set back cannot make it late.
        (Reading(NOW, NOW - 61, NOW - 61), "not_yet"),
        (Reading(NOW + 3601, NOW + 3601, NOW - 900), "expired"),
        (Reading(NOW, NOW, NOW - 2000), "clock_wrong"),
    ],
)
def test_time_is_judged_by_two_clocks(world, clock, code):
    assert world.judge(command(), clock=clock).code == code


def test_a_wrong_clock_can_still_be_set_right(world):
    sync = command(action="time.sync@1", params={})

    assert world.judge(sync, clock=Reading(NOW, NOW - 5000, NOW - 5000)).code is None


@pytest.mark.parametrize(("tier", "action", "span"), [("T0", "proc.list@1", 86400), ("T1", "time.sync@1", 7 * 86400)])
def test_a_command_cannot_be_kept_for_later_than_its_tier_allows(world, tier, action, span):
    given = command(tier=tier, action=action, params={}, nbf=NOW, exp=NOW + span)

    assert world.judge(given).code is None
    assert world.judge(replace(given, id=OTHER, exp=NOW + span + 1)).code == "validity_too_long"


# Check 7.


def row(given, **changes):
    payload = given.encode()
    return replace(Remembered(hashlib.sha256(payload).hexdigest(), given.id, given.idem, given.content_sha256), **changes)


@pytest.mark.parametrize(
    ("later", "code"),
    [
        (command(), "replayed"),
        (command(id=OTHER), "idem_done"),
        (command(id=OTHER, params={"unit": "web@1.service"}), "idem_conflict"),
        (command(id=OTHER, action="service.start@1"), "idem_conflict"),
        (command(exp=NOW + 3599), "idem_conflict"),
        (command(idem="run:8"), "idem_conflict"),
        (command(id=OTHER, idem="run:8"), None),
    ],
)
def test_a_command_runs_once_under_whatever_name_it_returns(world, later, code):
    started = row(command())

    def remembered(*wanted):
        return [started] if {started.payload_sha256, started.id, started.idem} & set(wanted) else []

    verdict = world.judge(later, remembered=remembered)

    assert (verdict.code, verdict.remembered) == (code, started if code in ("replayed", "idem_done") else None)
    assert verdict.is_quiet is (code in ("replayed", "idem_done"))


# Checks 8 and 9.


@pytest.mark.parametrize(
    ("given", "state", "code", "held"),
    [
        (command(policy_epoch=3), {}, "epoch_old", False),
        (command(policy_epoch=5), {}, "epoch_ahead", True),
        (command(), {"policy": policy(issued=NOW - 90 * 86400, expires=NOW - 1)}, "policy_expired", False),
        (command(), {"offline_s": 30 * 86400 + 1}, "offline_too_long", False),
        (command(), {"offline_s": 30 * 86400}, None, False),
        (command(), {"is_quarantined": True}, "quarantined", False),
        (command(), {"is_helper_present": False}, "no_helper", False),
        (command(), {"root": None}, "no_root", False),
        (command(exp=NOW + 90_000), {"clock": Reading(NOW + 86400, NOW, NOW)}, None, False),
        (command(exp=NOW + 90_000), {"clock": Reading(NOW + 86401, NOW, NOW)}, "no_root", False),
        (command(), {"policy": policy(tiers={"default": "T0"})}, "tier_disabled", False),
        (command(), {"policy": policy(tiers={"default": "T1", "clinic": "T0"}, groups={DEVICE: ["clinic"]})}, "tier_disabled", False),
        (command(), {"policy": policy(tiers={"default": "T0", "web": "T1"}, groups={DEVICE: ["web"]})}, None, False),
        (command(), {"is_frozen": True}, "frozen", False),
    ],
)
def test_authority_ends_with_its_document(world, given, state, code, held):
    assert codes(world.judge(given, **state)) == (code, held)


def test_without_a_policy_only_observation_is_left(world):
    server_keys = world.state.policy.server_keys

    assert world.judge(command(policy_epoch=0), policy=None, receipt_keys=server_keys).code == "no_root"


# Check 10.


def test_a_command_without_its_leaf_is_not_logged(world):
    assert world.judge(command(), is_logged=False).code == "not_logged"


def test_a_leaf_about_another_command_does_not_count(world):
    seq, body = world.ledger.issue(command(id=OTHER).encode())

    assert world.judge(command(), issue=world.ledger.proof(seq, body, since=3)).code == "not_logged"


def test_another_act_does_not_count_as_issue(world):
    seq, body = world.ledger.issue(command().encode(), act="automation.command.drafted")

    assert world.judge(command(), issue=world.ledger.proof(seq, body, since=3)).code == "not_logged"


def test_a_wrong_salt_or_body_does_not_open_the_leaf(world):
    seq, body = world.ledger.issue(command().encode())
    proof = world.ledger.proof(seq, body, since=3)

    assert world.judge(command(), issue=replace(proof, salt=bytes(32))).code == "not_logged"


def test_a_forked_tree_is_an_alarm(world):
    fork = Ledger()
    for _ in range(3):
        fork.add("desk.incident.closed")
    seq, body = fork.issue(command().encode())

    assert world.judge(command(), issue=fork.proof(seq, body, since=3)).code == "ledger_alarm"


def test_another_root_of_the_same_size_is_an_alarm(world):
    fork = Ledger()
    fork.add()
    fork.add()
    seq, body = fork.issue(command().encode())

    assert world.judge(command(), issue=fork.proof(seq, body, since=3)).code == "ledger_alarm"


@pytest.mark.parametrize("foreign", [Ledger(seed_byte=STRANGER), Ledger(origin="mainstay.bbbbbbbbbbbbbbbb/t/x/1")])
def test_a_foreign_log_is_an_alarm(world, foreign):
    foreign.leaves = []
    for _ in range(3):
        foreign.add()
    seq, body = foreign.issue(command().encode())

    assert world.judge(command(), issue=foreign.proof(seq, body, since=3)).code == "ledger_alarm"


def test_a_smaller_tree_counts_only_as_a_proven_prefix(world):
    seq, body = world.ledger.issue(command().encode())
    for _ in range(4):
        world.ledger.add()
    stored = world.ledger.checkpoint(8)
    shown = world.ledger.proof(seq, body, since=8, size=4)

    assert world.judge(command(), issue=replace(shown, consistency=()), checkpoint=stored).code == "ledger_alarm"
    accepted = world.judge(command(), issue=shown, checkpoint=stored)
    assert (accepted.code, accepted.checkpoint) == (None, stored)


def test_a_standing_alarm_stops_everything_above_t0(world):
    observe = command(tier="T0", action="proc.list@1", params={})

    assert world.judge(command(), is_ledger_alarmed=True).code == "ledger_alarm"
    assert world.judge(observe, is_ledger_alarmed=True).code is None


# Checks 12 to 14.


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"params": {}}, "bad_params"),
        ({"params": {"unit": "nginx.service", "script": "id"}}, "bad_params"),
        ({"params": {"unit": "-nginx"}}, "bad_params"),
        ({"params": {"unit": "nginx;id"}}, "bad_params"),
        ({"params": {"unit": "$(id)"}}, "bad_params"),
        ({"params": {"unit": "a\u0000b"}}, "bad_params"),
        ({"params": {"unit": ["nginx.service"]}}, "bad_params"),
        ({"params": {"unit": "nginx.service", "LD_PRELOAD": "/tmp/x.so"}}, "bad_params"),
        ({"params": {"unit": "postgresql.service"}}, "not_allowed"),
        ({"params": {"unit": "sshd.service"}}, "not_allowed"),
        ({"params": {"unit": "mainstay-agent.service"}}, "not_allowed"),
        ({"action": "service.start@1"}, "not_allowed"),
        ({"action": "cache.clear@1", "params": {"cache": "/etc"}}, "bad_params"),
        ({"action": "tmp.clean@1", "params": {"older_than_days": 0}}, "bad_params"),
        ({"tier": "T0", "action": "logs.tail@1", "params": {"source": "/etc/shadow", "lines": 10}}, "not_allowed"),
        ({"tier": "T0", "action": "logs.tail@1", "params": {"source": "/var/log/../../etc/shadow", "lines": 10}}, "not_allowed"),
        ({"tier": "T0", "action": "logs.tail@1", "params": {"source": "/var/log/syslog", "lines": 2001}}, "bad_params"),
        ({"tier": "T0", "action": "logs.tail@1", "params": {"source": "/var/log/syslog", "lines": 2000}}, None),
        ({"tier": "T0", "action": "probe.tcp@1", "params": {"target": "10.0.0.1:22"}}, "not_allowed"),
        ({"tier": "T0", "action": "probe.tcp@1", "params": {"target": "127.0.0.1:80"}}, None),
        ({"tier": "T0", "action": "freeze@1", "params": {"for_s": 86401}}, "bad_params"),
        ({"action": "patch.install@1", "params": {"packages": [{"name": "-o", "version": "1"}]}}, "bad_params"),
        ({"action": "reboot@1", "params": {"mode": "always"}}, "window_unknown"),
        ({"action": "reboot@1", "params": {"mode": "always"}, "window": "invented"}, "window_unknown"),
    ],
)
def test_parameters_and_resources_are_judged_by_schema_and_policy(world, change, code):
    assert world.judge(command(**change)).code == code


def test_a_protected_unit_is_refused_even_if_a_policy_listed_it(world):
    listed = replace(world.state.policy, services=(replace(world.state.policy.services[0], unit="sshd.service"),))

    assert world.judge(command(params={"unit": "sshd.service"}), policy=listed).code == "not_allowed"


@pytest.mark.parametrize("code", ["window_closed", "freeze_calendar"])
def test_a_closed_window_holds_a_reboot(world, code):
    reboot = command(action="reboot@1", params={"mode": "always"}, window="night")

    assert codes(world.judge(reboot, window=lambda window, action: code)) == (code, True)
    assert world.judge(reboot, window=lambda window, action: None).code is None


@pytest.mark.parametrize(("clock", "code"), [(NOW, "budget"), (NOW + 3599 - 1200, "budget"), (NOW + 3600 - 1200, None)])
def test_the_third_restart_within_an_hour_is_the_last(world, clock, code):
    uses = {("service.restart", "nginx.service"): [NOW - 1200, NOW - 600, NOW]}

    verdict = world.judge(command(), clock=Reading(clock, clock, clock), uses=lambda *which: uses.get(which, ()))

    assert verdict.code == code


def test_all_actions_together_have_a_budget_too(world):
    uses = {("all", None): [NOW - 4000] * 24}

    assert world.judge(command(), uses=lambda *which: uses.get(which, ())).code == "budget"


def test_the_upper_clock_cannot_refill_a_budget(world):
    uses = {("service.restart", "nginx.service"): [NOW] * 3}
    pushed = Reading(NOW + 3500, NOW, NOW)

    assert world.judge(command(), clock=pushed, uses=lambda *which: uses.get(which, ())).code == "budget"


@pytest.mark.parametrize(
    ("state", "code", "held"),
    [
        ({"locks": frozenset({"service:nginx.service"})}, "locked", True),
        ({"locks": frozenset({"service:other.service"})}, None, False),
        ({"is_spool_full": True}, "spool_full", False),
        ({"failing_preconditions": ("disk",)}, "precondition:disk", False),
    ],
)
def test_resources_are_looked_at_last(world, state, code, held):
    assert codes(world.judge(command(), **state)) == (code, held)


# Held commands and local healing.


def test_a_held_command_is_judged_again_when_it_starts(world):
    state = world.state
    late = replace(state, clock=Reading(NOW + 3601, NOW, NOW))
    newer = replace(state, policy=policy(epoch=5))

    assert commands.check_again(command(), state).code is None
    assert commands.check_again(command(), late).code == "expired"
    assert commands.check_again(command(), newer).code == "epoch_old"
    assert commands.check_again(command(), replace(state, is_frozen=True)).code == "frozen"


def test_a_local_rule_has_the_authority_of_the_policy_and_no_more(world):
    restart = ("service.restart@1", {"unit": "nginx.service"})
    state = world.state

    assert commands.check_local(*restart, state).code is None
    assert commands.check_local("service.restart@1", {"unit": "cron.service"}, state).code == "not_allowed"
    assert commands.check_local("script.run@1", {}, state).code == "tier_disabled"
    assert commands.check_local("rm@1", {}, state).code == "unknown_action"
    assert commands.check_local(*restart, replace(state, policy=None)).code == "no_root"
    assert commands.check_local(*restart, replace(state, uses=lambda *_: [NOW] * 3)).code == "budget"


def test_the_budget_that_is_left_is_that_of_the_tightest_limit(world):
    uses = {("service.restart", "nginx.service"): [NOW], ("all", None): [NOW] * 23}
    state = replace(world.state, uses=lambda *which: uses.get(which, ()))
    action = state.catalogue["service.restart@1"]

    assert commands.budget_left(action, {"unit": "nginx.service"}, state) == 1
    assert commands.budget_left(action, {"unit": "nginx.service"}, replace(state, uses=lambda *_: ())) == 3


def test_the_first_failing_check_wins(world):
    everything = {"is_frozen": True, "is_quarantined": True, "is_spool_full": True, "is_ledger_alarmed": True}

    assert world.judge(command(tenant=OTHER, action="x@1"), **everything).code == "wrong_tenant"
    assert world.judge(command(), **everything).code == "quarantined"
