"""Time as a weapon: a server that lies about it, a device clock that is turned, renewals that are withheld.

The core of the root half in this process, under a clock that the test moves; effects are recorded and not run.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from mainstay_agent.authority.core import Authority
from mainstay_agent.authority.embedded import Embedded, open_authority
from mainstay_agent.authority.verbs import Peer
from mainstay_agent.host.clocks import FixedClock
from mainstay_trust import canonical, dsse
from mainstay_trust.results import parse_result
from tests.agent.fakes import DEVICE, ORIGIN, TENANT, RecordingLauncher, inline, service
from tests.journeys.compromised_server.people import People
from tests.journeys.compromised_server.thief import Thief

T = 1_790_000_000
HOUR, DAY = 3600, 86400
NIGHT = {"id": "night", "zone": "Pacific/Auckland", "rrule": "FREQ=DAILY", "start": "22:00", "end": "06:00"}
RULES: dict[str, Any] = {"services": [service(reload=None, allow=["restart"])], "windows": [NIGHT]}


@dataclass
class Bench:
    """A trusted device whose clock we hold, and the thief of its server."""

    clock: FixedClock
    launcher: RecordingLauncher
    thief: Thief
    net: Embedded

    @property
    def restarts(self) -> int:
        return self.launcher.effects.count("restart")

    def submit(self, **changes: Any) -> tuple[str, str | None]:
        self.thief.clock_s = self.clock.wall_ms() // 1000
        return self.deliver(self.thief.deliver(self.thief.command(**changes)))

    def deliver(self, delivery: dict[str, Any]) -> tuple[str, str | None]:
        answer: Any = self.net.ask("submit", {"delivery": delivery})
        self.thief.held = answer["checkpoint"]["size"]
        return answer["decision"], answer["code"]

    def hear(self, at: int) -> Any:
        """Let the device hear a time that the stolen reply key has signed."""
        payload = canonical.encode({"v": 1, "t": at, "seq": None, "body_sha256": "0" * 64, "data": {}})
        envelope = dsse.seal(dsse.REPLY, payload, [self.thief.reply.signer()])
        return self.net.ask("docs", {"op": "heard", "reply": envelope.as_json()})["code"]

    def wake(self) -> None:
        self.net.ask("query", {"wake": True})

    def last_link(self) -> tuple[str, str | None]:
        links: Any = self.net.ask("log", {"all": True})["results"]
        result = parse_result(dsse.from_json(links[-1]["envelope"]).payload)
        return result.decision, result.reason


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    clock, launcher, thief = FixedClock(T * 1000, boot_ms=3_600_000), RecordingLauncher(), Thief(epoch=1)
    people = People(TENANT, issued=T - 60)
    thief.held, thief.server = thief.ledger.tree.size, thief.retired
    authority = open_authority(
        tmp_path / "h", is_helper=True, clock=clock, launcher=launcher, spawn=inline, boot="b1", freeze=tmp_path / "freeze"
    )
    trust(authority, people, thief)
    return Bench(clock, launcher, thief, Embedded(authority, Peer(1001, is_trusted=False)))


def trust(authority: Authority, people: People, thief: Thief) -> None:
    by_hand = Embedded(authority, Peer(0, is_trusted=True))
    keys: dict[str, Any] = {"server": [], "reply": [], "ledger": [{"origin": ORIGIN, "vkey": str(thief.ledger.vkey)}]}
    receipt = {"device": DEVICE, "tenant": TENANT, "keys": keys, "checkpoint": thief.ledger.note().decode()}
    by_hand.ask("docs", {"op": "enrol", "receipt": receipt})
    documents = {"roots": [people.root().as_json()], "policy": people.policy(1, thief.first_keys(), RULES).as_json()}
    by_hand.ask("docs", {"op": "adopt", "fingerprint": people.parsed_root.fingerprint, **documents})


def server_time_begins_no_command_early(bench: Bench) -> None:
    assert bench.hear(T + 10 * HOUR) is None
    bench.thief.clock_s = T
    early = replace(bench.thief.command(), nbf=T + 9 * HOUR, exp=T + 12 * HOUR)
    assert bench.deliver(bench.thief.deliver(early)) == ("refused", "not_yet")


def server_time_opens_no_window(bench: Bench) -> None:
    noon = T + (12 * HOUR - T % DAY) % DAY  # 00:00 or 01:00 in Auckland
    bench.clock.advance(noon - 6 * HOUR - T if noon - 6 * HOUR > T else noon + 18 * HOUR - T)
    wall = bench.clock.wall_ms() // 1000
    assert bench.hear(wall + 6 * HOUR) is None
    assert bench.submit(window="night", exp=wall + 7 * HOUR) == ("held", "window_closed")
    bench.wake()


def a_false_zone_in_the_command_changes_nothing(bench: Bench) -> None:
    assert bench.submit(window="night@UTC") == ("refused", "window_unknown")


def server_time_refills_no_budget(bench: Bench) -> None:
    for _ in range(3):
        assert bench.submit() == ("started", None)
    bench.launcher.launched.clear()
    assert bench.hear(T + 2 * HOUR) is None
    assert bench.submit(exp=T + 4 * HOUR) == ("refused", "budget")


def a_device_clock_pushed_forward_refills_no_budget(bench: Bench) -> None:
    for _ in range(3):
        assert bench.submit() == ("started", None)
    bench.launcher.launched.clear()
    bench.clock.set_wall((T + 2 * HOUR) * 1000)
    assert bench.submit(nbf=T - 60, exp=T + 4 * HOUR) == ("refused", "budget")


def server_time_set_back_revives_no_expired_command(bench: Bench) -> None:
    kept = bench.thief.deliver(replace(bench.thief.command(), nbf=T - 60, exp=T + 60))
    bench.clock.advance(HOUR)
    bench.hear(T + HOUR)
    bench.hear(T)
    assert bench.deliver(kept) == ("refused", "expired")


def a_device_clock_set_back_revives_no_expired_command(bench: Bench) -> None:
    kept = bench.thief.deliver(replace(bench.thief.command(), nbf=T - 60, exp=T + 60))
    bench.clock.advance(HOUR)
    bench.hear(T + HOUR)
    bench.clock.set_wall(T * 1000)
    assert bench.deliver(kept) == ("refused", "expired")


def a_device_clock_before_the_policy_repairs_nothing(bench: Bench) -> None:
    bench.clock.set_wall((T - DAY) * 1000)
    assert bench.submit(nbf=T - 60, exp=T + HOUR) == ("refused", "clock_wrong")


def server_time_a_month_ahead_does_not_move_the_floor(bench: Bench) -> None:
    assert bench.hear(T + 30 * DAY) == "clock_disagree"
    assert bench.last_link() == ("local", "clock_disagree")
    assert bench.submit(params={"unit": "payroll"}) == ("refused", "not_allowed")


def withheld_renewals_end_repair(bench: Bench) -> None:
    for _ in range(4):
        bench.clock.advance(23 * DAY)
        bench.hear(bench.clock.wall_ms() // 1000)
    assert bench.submit() == ("refused", "policy_expired")


def a_silent_server_ends_repair(bench: Bench) -> None:
    bench.clock.advance(31 * DAY)
    assert bench.submit() == ("refused", "offline_too_long")


ATTACKS: tuple[Callable[[Bench], None], ...] = (
    server_time_begins_no_command_early,
    server_time_opens_no_window,
    a_false_zone_in_the_command_changes_nothing,
    server_time_refills_no_budget,
    a_device_clock_pushed_forward_refills_no_budget,
    server_time_set_back_revives_no_expired_command,
    a_device_clock_set_back_revives_no_expired_command,
    a_device_clock_before_the_policy_repairs_nothing,
    server_time_a_month_ahead_does_not_move_the_floor,
    withheld_renewals_end_repair,
    a_silent_server_ends_repair,
)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_time_gives_a_thief_nothing(bench: Bench, attack: Callable[[Bench], None]) -> None:
    attack(bench)

    assert bench.restarts == 0


def test_the_same_bench_obeys_an_honest_command(bench: Bench) -> None:
    assert bench.submit() == ("started", None)
    assert bench.restarts == 1
