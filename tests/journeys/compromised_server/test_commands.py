"""Forged, replayed, mislabelled and misdirected commands: each ends in its code, signed by the device, without effect."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from mainstay_trust import dsse
from mainstay_trust.commands import Command
from tests.agent.fakes import DEVICE, OTHER, identifier
from tests.journeys.compromised_server import thief as forging
from tests.journeys.compromised_server.device import Decision, Victim
from tests.journeys.compromised_server.thief import Thief, now

TEN_OTHERS = tuple(identifier(900_000 + number) for number in range(10))
SCRIPT = "#!/bin/sh\nrm -f canary\n"


@dataclass(frozen=True)
class Attack:
    """`make` is called when the device polls, and returns one delivery."""

    name: str
    code: str
    make: Callable[[Thief], dict[str, Any]]


def says(name: str, code: str, action: str = "service.restart@1", params: dict[str, Any] | None = None, **changes: Any) -> Attack:
    """A command with the server's own signature and an honest proof, whose content is the attack."""
    return Attack(name, code, lambda thief: thief.deliver(thief.command(action, params, **changes)))


def at(name: str, code: str, when: Callable[[int], dict[str, int]], **changes: Any) -> Attack:
    return Attack(name, code, lambda thief: thief.deliver(thief.command(**changes, **when(now()))))


def sealed(name: str, code: str, seal: Callable[[Thief, bytes], dsse.Envelope], **command: Any) -> Attack:
    """A command whose envelope is the attack."""

    def make(thief: Thief) -> dict[str, Any]:
        payload = thief.command(**command).encode()
        return thief.carry(seal(thief, payload), payload)

    return Attack(name, code, make)


def written(name: str, code: str, write: Callable[[Thief, Command], bytes]) -> Attack:
    """A payload that no honest encoder would write."""
    return Attack(name, code, lambda thief: thief.deliver(write(thief, thief.command())))


def tampered(thief: Thief) -> dict[str, Any]:
    delivery = thief.deliver(thief.command())
    return forging.reworded(delivery, thief.command(params={"unit": "shop"}).encode())


def unsigned(thief: Thief) -> dict[str, Any]:
    delivery = thief.deliver(thief.command())
    return delivery | {"envelope": delivery["envelope"] | {"signatures": []}}


def loose(thief: Thief) -> dict[str, Any]:
    delivery = thief.deliver(thief.command())
    return delivery | {"envelope": delivery["envelope"] | {"payload": "eA"}}


def small_order(_thief: Thief, envelope: dsse.Envelope) -> dsse.Envelope:
    # R is the neutral element and S is zero: this verifies for every message under a key of small order.
    return forging.with_signature(envelope, (1).to_bytes(32, "little") + bytes(32))


T3: dict[str, Any] = {"action": "script.run@1", "params": {}, "max_targets": 10}

SIGNATURES = [
    sealed("signature_of_zeros", "no_valid_signature", lambda t, p: forging.with_signature(t.sign(p, t.server), bytes(64))),
    sealed("signature_of_a_stranger", "no_valid_signature", lambda t, p: t.sign(p, t.own)),
    sealed("signature_by_the_ledger_key", "no_valid_signature", lambda t, p: t.sign(p, t.log_key)),
    sealed("signature_of_another_type", "no_valid_signature", lambda t, p: forging.retyped(
        dsse.seal(dsse.REPLY, p, [t.server.signer()]), dsse.COMMAND)),
    sealed("another_type_as_command", "bad_type", lambda t, p: dsse.seal(dsse.REPLY, p, [t.server.signer()])),
    sealed("unknown_type", "bad_type", lambda t, p: dsse.seal("text/x-shellscript", p, [t.server.signer()])),
    sealed("malleable_signature", "no_valid_signature", lambda t, p: forging.malleated(t.sign(p, t.server))),
    sealed("small_order_signature", "no_valid_signature", lambda t, p: small_order(t, t.sign(p, t.server))),
    Attack("tampered_body", "no_valid_signature", tampered),
    sealed("reply_key_on_a_repair", "threshold", lambda t, p: t.sign(p, t.reply)),
    sealed("server_key_on_t3", "threshold", lambda t, p: t.sign(p, t.server), **T3),
    sealed("same_signature_twice_on_t3", "threshold", lambda t, p: forging.twice(t.sign(p, t.server)), **T3),
    sealed("both_online_keys_on_t3", "threshold", lambda t, p: t.sign(p, t.server, t.reply), **T3),
    sealed("retired_server_key", "key_revoked", lambda t, p: t.sign(p, t.retired)),
    sealed("revoked_server_key", "key_revoked", lambda t, p: t.sign(p, t.revoked)),
    sealed("retired_and_revoked_together", "key_revoked", lambda t, p: t.sign(p, t.retired, t.revoked)),
    sealed("server_key_on_t2", "tier_disabled", lambda t, p: t.sign(p, t.server), action="runbook.run@1", params={}),
]  # fmt: skip

TIERS_AND_PARAMETERS = [
    says("t3_labelled_t1", "tier_mismatch", "script.run@1", {}, tier="T1"),
    says("t1_labelled_t0_to_skip_the_ledger", "tier_mismatch", tier="T0"),
    says("artefact_smuggled_into_t1", "tier_mismatch", artefact="ab" * 32),
    says("unknown_action", "unknown_action", "shell.run@1", {}),
    says("budget_reset", "unknown_action", "budget.reset@1", {}),
    says("later_version_of_a_known_action", "unknown_action", "service.restart@2"),
    says("script_in_a_field", "bad_params", params={"unit": "web", "script": SCRIPT}),
    says("script_as_a_unit", "bad_params", params={"unit": SCRIPT}),
    says("leading_dash", "bad_params", params={"unit": "-H"}),
    says("shell_metacharacters", "bad_params", params={"unit": "web;rm -f canary"}),
    says("command_substitution", "bad_params", params={"unit": "$(rm -f canary)"}),
    says("path_as_a_unit", "bad_params", params={"unit": "../../tmp/evil"}),
    says("line_end_in_a_unit", "bad_params", params={"unit": "web\nshop"}),
    says("nul_in_a_unit", "bad_params", params={"unit": "web\0"}),
    says("ld_preload", "bad_params", params={"unit": "web", "LD_PRELOAD": "/tmp/evil.so"}),
    says("environment_of_a_service", "bad_params", params={"unit": "web", "env": {"PATH": "/tmp"}}),
    says("no_parameters", "bad_params", params={}),
    says("unit_that_is_a_list", "bad_params", params={"unit": ["web", "shop"]}),
    says("path_in_a_fixed_cleaning", "bad_params", "tmp.clean@1", {"older_than_days": 1, "path": "/"}),
    says("cleaning_all_at_once", "bad_params", "tmp.clean@1", {"older_than_days": 0}),
    says("cache_that_is_a_path", "bad_params", "cache.clear@1", {"cache": "/home"}),
    says("too_many_lines", "bad_params", "logs.tail@1", {"source": "/var/log/syslog", "lines": 2001}),
    says("endless_freeze", "bad_params", "freeze@1", {"for_s": 10**9}),
    says("shadow_file", "not_allowed", "logs.tail@1", {"source": "/etc/shadow", "lines": 10}),
    says("path_traversal", "not_allowed", "logs.tail@1", {"source": "/var/log/../../etc/shadow", "lines": 10}),
    says("journal_of_everything", "not_allowed", "logs.tail@1", {"source": "journal:*", "lines": 10}),
    says("unlisted_service", "not_allowed", params={"unit": "postgresql.service"}),
    says("protected_unit", "not_allowed", params={"unit": "sshd.service"}),
    says("the_agent_itself", "not_allowed", params={"unit": "mainstay-agent-helper.service"}),
    says("service_of_another_device", "not_allowed", params={"unit": "payroll"}),
    says("verb_that_policy_does_not_list", "not_allowed", "service.reload@1"),
    says("foreign_probe_target", "not_allowed", "probe.tcp@1", {"target": "169.254.169.254:80"}),
]

AUDIENCE_AND_POLICY = [
    says("command_of_another_device", "wrong_audience", aud=(OTHER,)),
    says("command_of_another_tenant", "wrong_tenant", tenant=OTHER),
    says("more_devices_than_stated", "audience_too_wide", aud=(DEVICE, OTHER)),
    says("more_devices_than_policy_allows", "audience_too_wide", max_targets=21),
    sealed("t3_to_eleven_devices", "audience_too_wide", lambda t, p: t.sign(p, t.server), action="script.run@1", params={},
           aud=(DEVICE, *TEN_OTHERS), max_targets=11),
    written("wildcard", "bad_payload", lambda t, c: t.raw(c, aud=["*"])),
    written("no_audience", "bad_payload", lambda t, c: t.raw(c, aud=[])),
    written("one_device_twice", "bad_payload", lambda t, c: t.raw(c, aud=[DEVICE, DEVICE], max_targets=2)),
    written("label_claimed_by_the_server", "bad_payload", lambda t, c: t.raw(c, groups=["unprotected"])),
    says("policy_before_the_rotation", "epoch_old", policy_epoch=1),
    says("invented_window", "window_unknown", window="always"),
]  # fmt: skip

TIMES = [
    at("late_delivery", "expired", lambda t: {"nbf": t - 600, "exp": t - 1}),
    at("early_delivery", "not_yet", lambda t: {"nbf": t + 300, "exp": t + 900}),
    at("validity_of_eight_days", "validity_too_long", lambda t: {"nbf": t - 60, "exp": t + 8 * 86400}),
    at("observation_for_a_week", "validity_too_long", lambda t: {"nbf": t - 60, "exp": t + 7 * 86400}, action="proc.list@1", params={}),
    written("end_before_the_beginning", "bad_payload", lambda t, c: t.raw(c, nbf=c.exp, exp=c.nbf)),
    written("time_with_a_fraction", "bad_payload", lambda _, c: c.encode().replace(b'"exp":%d' % c.exp, b'"exp":%d.5' % c.exp)),
]

DEEP = b'"params":{"x":' + b"[" * 5000 + b"]" * 5000 + b","
FORMS = [
    written("duplicate_member", "bad_payload", lambda _, c: c.encode().replace(b'"tier":"T1"', b'"tier":"T0","tier":"T1"')),
    written("missing_member", "bad_payload", lambda _, c: c.encode().replace(b'"wave":null', b'"wve":null')),
    written("depth_bomb", "bad_payload", lambda _, c: c.encode().replace(b'"params":{', DEEP)),
    written("number_bomb", "bad_payload", lambda _, c: c.encode().replace(b'"exp":', b'"exp":' + b"9" * 20_000)),
    written("not_json", "bad_payload", lambda _, c: SCRIPT.encode()),
    written("payload_of_66_kib", "bad_payload", lambda t, c: t.raw(c, reason="x" * 66 * 1024)),
]

# What cannot be opened has no payload by which its refusal could name it: these are delivered one by one.
UNREADABLE = [
    Attack("no_signature_at_all", "bad_envelope", unsigned),
    Attack("envelope_of_100_kib", "too_large", lambda t: t.deliver(t.raw(t.command(), reason="x" * 75 * 1024))),
    sealed("forty_signatures", "bad_envelope", lambda t, p: dsse.Envelope(dsse.COMMAND, p, t.sign(p, t.server).signatures * 40)),
    Attack("loose_base64", "bad_envelope", loose),
    Attack("envelope_that_is_none", "bad_envelope", lambda t: {**t.deliver(t.command()), "envelope": None}),
]

ATTACKS = [*SIGNATURES, *TIERS_AND_PARAMETERS, *AUDIENCE_AND_POLICY, *TIMES, *FORMS]


@pytest.fixture(scope="module")
def verdicts(victim: Victim) -> dict[str, list[Decision]]:
    """What the device decided about every command of the table."""
    return victim.decides_each({attack.name: attack.make for attack in ATTACKS})


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_a_forged_command_is_refused_by_its_code(victim: Victim, verdicts: dict[str, list[Decision]], attack: Attack) -> None:
    assert verdicts[attack.name] == [("refused", attack.code)]
    assert victim.premises.is_canary_untouched


@pytest.mark.parametrize("attack", UNREADABLE, ids=lambda attack: attack.name)
def test_an_envelope_that_cannot_be_opened_is_refused_by_its_code(victim: Victim, attack: Attack) -> None:
    with victim.unharmed():
        assert victim.decides(attack.make) == [("refused", attack.code)]


@pytest.mark.parametrize(
    ("person", "command", "code"),
    [("tara", T3, "threshold"), ("lena", {"action": "runbook.run@1", "params": {}}, "tier_disabled")],
    ids=["operators_named_in_the_key_hint", "publisher_named_in_the_key_hint"],
)
def test_a_key_hint_lends_nobody_the_role_of_a_person(victim: Victim, person: str, command: dict[str, Any], code: str) -> None:
    keyid = victim.people.public_ids[person]

    def make(thief: Thief) -> dict[str, Any]:
        payload = thief.command(**command).encode()
        return thief.carry(forging.hinted(thief.sign(payload, thief.server), keyid), payload)

    with victim.unharmed():
        assert victim.decides(make) == [("refused", code)]


def test_an_executed_command_never_runs_again(victim: Victim) -> None:
    kept: list[dict[str, Any]] = []
    victim.restarts_once("web", kept.append)

    with victim.unharmed():
        assert victim.decides(lambda _: kept[0]) == [("refused", "replayed")]


def test_an_executed_command_never_runs_again_after_the_root_half_was_killed(victim: Victim) -> None:
    kept: list[dict[str, Any]] = []
    victim.restarts_once("mail", kept.append)
    victim.helper.kill_and_restart()

    with victim.unharmed():
        assert victim.decides(lambda _: kept[0]) == [("refused", "replayed")]


def test_a_step_that_ran_does_not_run_under_another_name_or_with_other_content(victim: Victim) -> None:
    ran: list[Command] = []

    def first(thief: Thief) -> dict[str, Any]:
        ran.append(thief.command(params={"unit": "books"}))
        return thief.deliver(ran[0])

    def again(thief: Thief, unit: str, **same: Any) -> dict[str, Any]:
        return thief.deliver(thief.command(params={"unit": unit}, **same))

    assert victim.decides(first, count=2) == [("started", None), ("done", None)]

    with victim.unharmed():
        assert victim.decides(
            lambda thief: again(thief, "books", idem=ran[0].idem),
            lambda thief: again(thief, "web", idem=ran[0].idem),
            lambda thief: again(thief, "web", id=ran[0].id),
        ) == [("refused", "idem_done"), ("refused", "idem_conflict"), ("refused", "idem_conflict")]


def test_a_thief_in_a_loop_gets_what_the_budget_of_the_device_allows(victim: Victim) -> None:
    for _ in range(3):
        victim.restarts_once("shop")

    with victim.unharmed():
        fourth, fifth = (says("", "", params={"unit": "shop"}).make for _ in range(2))
        assert victim.decides(fourth, fifth) == [("refused", "budget"), ("refused", "budget")]


def test_a_command_of_a_policy_that_the_thief_withholds_waits_and_does_not_run(victim: Victim) -> None:
    with victim.unharmed():
        assert victim.decides(says("", "", policy_epoch=3).make) == [("held", "epoch_ahead")]
        victim.next_heartbeat()  # which makes the device look at what waits


def test_nothing_starts_in_a_frozen_device_whatever_the_server_says(victim: Victim) -> None:
    freeze = victim.folder / "freeze"
    freeze.touch()
    try:
        with victim.unharmed():
            lifting = sealed("", "", lambda t, p: dsse.seal(dsse.UNFREEZE, p, [t.server.signer()]))
            restart = says("", "", params={"unit": "web"})
            assert victim.decides(lifting.make, restart.make) == [("refused", "bad_type"), ("refused", "frozen")]
    finally:
        freeze.unlink()


FLOWS = {
    "replay_of_an_executed_command": test_an_executed_command_never_runs_again,
    "replay_after_the_root_half_was_killed": test_an_executed_command_never_runs_again_after_the_root_half_was_killed,
    "same_idem_under_a_new_id": test_a_step_that_ran_does_not_run_under_another_name_or_with_other_content,
    "same_idem_with_other_content": test_a_step_that_ran_does_not_run_under_another_name_or_with_other_content,
    "same_id_with_other_content": test_a_step_that_ran_does_not_run_under_another_name_or_with_other_content,
    "budget_exhausted_in_a_loop": test_a_thief_in_a_loop_gets_what_the_budget_of_the_device_allows,
    "policy_of_the_future_withheld": test_a_command_of_a_policy_that_the_thief_withholds_waits_and_does_not_run,
    "unfreeze_by_the_server": test_nothing_starts_in_a_frozen_device_whatever_the_server_says,
    "restart_of_a_frozen_device": test_nothing_starts_in_a_frozen_device_whatever_the_server_says,
    "operators_named_in_the_key_hint": test_a_key_hint_lends_nobody_the_role_of_a_person,
    "publisher_named_in_the_key_hint": test_a_key_hint_lends_nobody_the_role_of_a_person,
}
