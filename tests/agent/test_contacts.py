"""Make before break (rule X7): a device changes its server's address without ever standing without one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mainstay_agent.host.clocks import FixedClock
from mainstay_agent.net.contacts import FORMER_MAX, KEPT_MS, TRIAL_EVERY_MS, Contacts
from mainstay_agent.net.exchange import HttpExchange
from mainstay_agent.net.problems import Unreachable
from tests.agent.fakes import FakeServer, pair
from tests.agent.test_device import World
from tests.agent.test_net_process import Wire

FIRST, NEW, OTHER = "https://first:8443", "https://new:8443", "https://other:8443"


@pytest.fixture
def contacts(tmp_path: Path, clock: FixedClock) -> Contacts:
    return Contacts(tmp_path / "contacts.json", FIRST, clock)


def test_without_a_policy_there_is_the_address_of_the_receipt(contacts: Contacts) -> None:
    contacts.follow(None)

    assert (contacts.order(), contacts.is_trial_due, contacts.is_second_best) == ([FIRST], False, False)


def test_a_new_address_is_tried_first_and_then_only_now_and_then_while_the_old_one_works(contacts: Contacts, clock: FixedClock) -> None:
    contacts.follow([NEW, OTHER])
    tried = [contacts.order()]
    contacts.answered(FIRST)
    tried.append(contacts.order())
    clock.advance(TRIAL_EVERY_MS // 1000)
    tried.append(contacts.order())

    assert tried == [[NEW, OTHER, FIRST], [FIRST, NEW, OTHER], [NEW, OTHER, FIRST]]
    assert (contacts.primary, contacts.is_second_best) == (FIRST, True)


def test_an_address_that_answered_is_the_first_one_and_the_former_is_kept_for_30_days(contacts: Contacts, clock: FixedClock) -> None:
    contacts.follow([NEW])
    contacts.answered(NEW)

    assert (contacts.primary, contacts.order()) == (NEW, [NEW, FIRST])
    clock.advance(KEPT_MS // 1000)
    assert contacts.order() == [NEW, FIRST]
    clock.advance(1)
    assert contacts.order() == [NEW]


def test_what_worked_survives_a_restart_and_a_damaged_file_does_not_harm(contacts: Contacts, tmp_path: Path, clock: FixedClock) -> None:
    contacts.follow([NEW])
    contacts.answered(NEW)

    assert Contacts(tmp_path / "contacts.json", FIRST, clock).order() == [NEW, FIRST]
    (tmp_path / "contacts.json").write_text("{")
    assert Contacts(tmp_path / "contacts.json", FIRST, clock).order() == [FIRST]


def test_a_policy_that_changes_every_day_does_not_grow_the_file(contacts: Contacts, tmp_path: Path, clock: FixedClock) -> None:
    for number in range(10):
        clock.advance(1)
        contacts.follow([f"https://n{number}"])
        contacts.answered(f"https://n{number}")

    stored = json.loads((tmp_path / "contacts.json").read_bytes())
    assert (stored["primary"], sorted(stored["former"])) == ("https://n9", [f"https://n{number}" for number in range(5, 9)])
    assert len(stored["former"]) == FORMER_MAX


# With two real listeners


class Two:
    """A device that speaks over real sockets, its server under two addresses."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.old, self.new = self.listener(world.server), self.listener(world.server)
        world.device.contacts = Contacts(world.home.contacts, self.old.url, world.clock)
        self.exchange = HttpExchange(self.old.url, None)
        world.device.parts.exchange = world.device.link.exchange = self.exchange

    @staticmethod
    def listener(fake: FakeServer) -> Wire:
        wire = Wire(fake.tenancy)
        wire.fake = fake
        return wire

    def name_in_policy(self, *wires: Wire) -> None:
        epoch = self.world.tenancy.epoch = self.world.tenancy.epoch + 1
        signed = self.world.tenancy.policy(epoch=epoch, urls=[wire.url for wire in wires])
        self.world.tenancy.policy = lambda *_, **__: signed  # type: ignore[method-assign] # the policy from here on
        self.world.server.docs = {"root": 1, "policy": epoch}

    @property
    def primary(self) -> str:
        return self.world.device.contacts.primary

    @property
    def seqs(self) -> list[int]:
        """Return the numbers of the polls that the server got, counted from the first."""
        polls = self.world.server.polls
        return [poll["seq"] - polls[0]["seq"] for poll in polls]


@pytest.fixture
def two(tmp_path: Path, clock: FixedClock, open_helper: Any, tenancy: Any) -> Iterator[Two]:
    world = World(tmp_path, clock, open_helper, tenancy)
    world.enrol()
    world.start()
    two = Two(world)
    yield two
    two.exchange.close()
    for wire in (two.old, two.new):
        wire.stop()


def test_a_signed_address_takes_over_with_its_first_answer_and_the_old_listener_may_go(two: Two) -> None:
    two.name_in_policy(two.new)
    two.world.device.poll()
    assert two.primary == two.old.url

    two.world.device.poll()
    assert two.primary == two.new.url
    two.old.stop()

    two.world.device.poll()
    assert two.seqs == [0, 1, 2]


def test_a_listener_whose_replies_nobody_signed_never_takes_over(two: Two) -> None:
    thief = FakeServer(two.world.tenancy, two.world.clock, reply_signer=pair(77), device_keys=two.world.server.device_keys)
    two.new.fake = thief
    two.name_in_policy(two.new)
    for _ in range(3):
        two.world.device.poll()

    assert (two.primary, len(thief.polls)) == (two.old.url, 1)
    assert "contact_second_best" in two.world.device.heartbeat()["diag"]
    assert two.seqs == [0, 1, 2]


def test_when_the_new_listener_dies_the_former_one_answers_again(two: Two) -> None:
    two.name_in_policy(two.new)
    for _ in range(2):
        two.world.device.poll()
    two.new.server.shutdown()
    two.new.server.server_close()
    two.exchange.close()

    two.world.device.poll()

    assert two.primary == two.old.url


def test_when_nobody_answers_the_primary_one_is_kept_and_its_problem_told(two: Two) -> None:
    two.name_in_policy(two.new)
    two.world.device.poll()
    for wire in (two.old, two.new):
        wire.server.shutdown()
        wire.server.server_close()
    two.exchange.close()

    with pytest.raises(Unreachable) as problem:
        two.world.device.poll()

    assert (problem.value.code, two.primary, two.exchange.url) == ("tcp", two.old.url, two.old.url)
