"""Commands without an entry, and a ledger that was rewritten: nothing above observation runs, and the device says why."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from mainstay_trust.issue import PAYLOAD_MEMBER
from tests.agent.fakes import Ledger
from tests.journeys.compromised_server.device import Decision, Victim
from tests.journeys.compromised_server.people import new_key
from tests.journeys.compromised_server.thief import Thief
from tests.journeys.compromised_server.wire import Make

ELSEWHERE = "ledger.example/of-the-thief"


@dataclass(frozen=True)
class Attack:
    name: str
    code: str
    make: Make


def proven_by(forge: Callable[[Thief], Ledger]) -> Make:
    """A command whose leaf stands in another history than the one that the device has seen."""

    def make(thief: Thief) -> dict[str, Any]:
        payload = thief.command().encode()
        return {"envelope": thief.sign(payload, thief.server).as_json(), **forge(thief).issue(payload, thief.held)}

    return make


def with_issue(change: Callable[[Thief, dict[str, Any]], dict[str, Any]]) -> Make:
    """A command whose honest proof is changed on its way."""

    def make(thief: Thief) -> dict[str, Any]:
        delivery = thief.deliver(thief.command())
        return delivery | change(thief, delivery)

    return make


def of_another_command(thief: Thief, _delivery: dict[str, Any]) -> dict[str, Any]:
    other = thief.deliver(thief.command(params={"unit": "shop"}))
    return {name: other[name] for name in ("proof", "leaf", "consistency")}


def of_another_act(thief: Thief, delivery: dict[str, Any]) -> dict[str, Any]:
    other = thief.deliver(thief.command())
    return {"proof": other["proof"], "consistency": other["consistency"], "leaf": delivery["leaf"]}


def with_another_salt(_thief: Thief, delivery: dict[str, Any]) -> dict[str, Any]:
    return {"leaf": delivery["leaf"] | {"salt": "11" * 32}}


def with_another_body(_thief: Thief, delivery: dict[str, Any]) -> dict[str, Any]:
    return {"leaf": delivery["leaf"] | {"body": {PAYLOAD_MEMBER: "22" * 32}}}


ATTACKS = [
    Attack("command_without_a_leaf", "not_logged", lambda t: t.deliver(t.command(), logged=False)),
    Attack("leaf_of_another_command", "not_logged", with_issue(of_another_command)),
    Attack("leaf_that_the_body_does_not_open", "not_logged", with_issue(of_another_act)),
    Attack("leaf_with_another_salt", "not_logged", with_issue(with_another_salt)),
    Attack("leaf_with_another_body", "not_logged", with_issue(with_another_body)),
    Attack("proof_that_is_no_proof", "not_logged", with_issue(lambda _t, d: {"proof": d["proof"].replace("\n", " ")})),
    Attack("smaller_tree", "ledger_alarm", proven_by(lambda t: t.rewritten(t.held - 3))),
    Attack("no_consistency_proof", "ledger_alarm", with_issue(lambda _t, _d: {"consistency": []})),
]


# Each of these shows another history: it stops repair until a proof says that ours was not rewritten.
HISTORIES = [
    Attack("forked_tree", "ledger_alarm", proven_by(lambda t: t.rewritten(t.held + 4))),
    Attack("foreign_origin", "ledger_alarm", proven_by(lambda t: t.rewritten(t.held + 1, ELSEWHERE, new_key()))),
    Attack("checkpoint_by_the_server_key", "ledger_alarm", proven_by(lambda t: t.rewritten(t.held + 1, key=t.server))),
]


@pytest.fixture(scope="module")
def verdicts(victim: Victim) -> dict[str, list[Decision]]:
    victim.next_heartbeat()
    return victim.decides_each({attack.name: attack.make for attack in ATTACKS})


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_a_command_without_its_entry_in_our_ledger_is_refused(victim: Victim, verdicts: dict[str, list[Decision]], attack: Attack) -> None:
    assert verdicts[attack.name] == [("refused", attack.code)]
    assert victim.premises.is_canary_untouched


@pytest.mark.parametrize("attack", HISTORIES, ids=lambda attack: attack.name)
def test_a_command_from_another_history_stops_repair_until_a_proof_clears_it(victim: Victim, attack: Attack) -> None:
    with victim.unharmed():
        victim.next_heartbeat()
        victim.server.lies.heartbeat = lambda _: None  # nothing that could clear it
        assert victim.decides(attack.make) == [("refused", attack.code)]
        assert victim.query()["ledger_alarm"] == "doubt"
        assert victim.decides(lambda thief: thief.deliver(thief.command(params={"unit": "payroll"}))) == [("refused", "ledger_alarm")]

        victim.server.tell_the_truth()
        victim.next_heartbeat()
        assert victim.query()["ledger_alarm"] is None


def offered(ledger: Ledger, held: int) -> dict[str, Any]:
    return {"note": ledger.note().decode(), "consistency": ledger.consistency(held)}


LIES: dict[str, tuple[int, Callable[[Thief], dict[str, Any] | None]]] = {
    "heartbeat_of_a_forked_tree": (1, lambda t: offered(t.rewritten(t.held + 4), t.held)),
    "heartbeat_of_a_foreign_log": (1, lambda t: offered(t.rewritten(t.held + 1, ELSEWHERE, new_key()), t.held)),
    "heartbeat_without_an_answer_three_times": (3, lambda _: None),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_doubtful_ledger_stops_repair_until_a_proof_clears_it(victim: Victim, lie: str) -> None:
    times, heartbeat = LIES[lie]
    with victim.unharmed():
        victim.server.lies.heartbeat = heartbeat
        for _ in range(times):
            victim.next_heartbeat()
        assert victim.decides(lambda thief: thief.deliver(thief.command(params={"unit": "payroll"}))) == [("refused", "ledger_alarm")]
        assert victim.query()["ledger_alarm"] == "doubt"

        victim.server.tell_the_truth()
        victim.next_heartbeat()
        assert victim.decides(lambda thief: thief.deliver(thief.command(params={"unit": "payroll"}))) == [("refused", "not_allowed")]
        assert victim.query()["ledger_alarm"] is None


def test_a_fork_stops_repair_and_no_later_proof_clears_it(newcomer: Victim) -> None:
    newcomer.adopt_root_by_fingerprint()
    with newcomer.unharmed():
        newcomer.server.lies.heartbeat = lambda thief: offered(thief.rewritten(thief.held), thief.held)
        newcomer.next_heartbeat()
        newcomer.server.tell_the_truth()
        newcomer.next_heartbeat()

        assert newcomer.decides(lambda thief: thief.deliver(thief.command())) == [("refused", "ledger_alarm")]
        assert newcomer.query()["ledger_alarm"] == "fork"
    assert list((newcomer.folder / "agent" / "alarms").glob("*.json"))


def test_a_command_from_a_history_as_long_as_ours_stops_repair_for_good(newcomer: Victim) -> None:
    newcomer.adopt_root_by_fingerprint()
    with newcomer.unharmed():
        newcomer.next_heartbeat()
        assert newcomer.decides(proven_by(lambda t: t.rewritten(t.held - 1))) == [("refused", "ledger_alarm")]
        newcomer.next_heartbeat()

        assert newcomer.decides(lambda thief: thief.deliver(thief.command())) == [("refused", "ledger_alarm")]
        assert newcomer.query()["ledger_alarm"] == "fork"
    assert list((newcomer.folder / "agent" / "alarms").glob("*.json"))


FLOWS = {
    "heartbeat_of_another_root_of_our_size": test_a_fork_stops_repair_and_no_later_proof_clears_it,
    "same_size_other_root": test_a_command_from_a_history_as_long_as_ours_stops_repair_for_good,
}
