"""The demonstration's world, its agents' state, and what it refuses to touch. All of it is played in `tests/journeys/test_demo.py`."""

from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mainstay.cli.demo import machines
from mainstay.cli.demo.agent import Agent
from mainstay.cli.demo.cast import CLIENTS, OFFLINE, OUTDATED
from mainstay.cli.demo.cast import machines as all_machines
from mainstay.cli.main import app
from mainstay.domains.estate.rules.freshness import group_hash
from mainstay.domains.telemetry.rules.windows import PAST
from mainstay.kernel.errors import Conflict

AT = 1_768_478_400


def test_there_are_sixty_machines_at_five_sites_of_three_clients() -> None:
    listed = all_machines()

    assert len({one.name for one in listed}) == 60
    assert {one.site for one in listed} == {slug for client in CLIENTS for slug, _ in client.sites}
    assert len({one.site for one in listed}) == 5
    assert Counter(one.client for one in listed) == {"harbor": 42, "elm": 10, "quay": 8}


def test_the_stories_name_machines_that_exist() -> None:
    names = {one.name for one in all_machines()}

    assert {OFFLINE, *OUTDATED} <= names


def test_a_machine_says_the_same_at_the_same_time() -> None:
    machine = all_machines()[0]

    assert machines.facts(machine, AT) == machines.facts(machine, AT)
    assert machines.batch(machine, [AT, AT + 300], end=AT) == machines.batch(machine, [AT, AT + 300], end=AT)


def test_facts_are_in_the_form_that_the_intake_hashes() -> None:
    groups = machines.facts(all_machines()[1], AT)
    hashes = machines.group_hashes(groups)

    assert {name: group_hash(dict(value), "") for name, value in groups.items()} == hashes


def test_a_week_of_samples_is_one_batch_within_what_the_intake_believes() -> None:
    times = list(range(AT - 7 * machines.DAY_S + machines.STEP_S, AT + 1, machines.STEP_S))
    sent = machines.batch(all_machines()[0], times, end=AT)

    assert len(times) == 2016
    assert AT - times[0] < PAST.total_seconds()
    assert [len(row) for row in machines.values_of(all_machines()[0], times, end=AT)] == [2016] * len(machines.series_of(all_machines()[0]))
    assert sent["t"] == [moment * 1000 for moment in times]


def test_the_filling_disk_falls_below_ten_percent_three_hours_before_the_end() -> None:
    machine = next(one for one in all_machines() if "filling" in one.quirks)
    row = [name for name, _ in machines.series_of(machine)].index("filesystem_free_pct")  # type: ignore[str-unpack, misc] # JSON pairs

    before, after = machines.values_of(machine, [AT - 4 * 3600, AT - 3 * 3600], end=AT)[row]

    assert (before, after) == (10.6, 9.95)


def test_an_agent_goes_on_as_the_same_device_after_it_was_kept() -> None:
    agent = Agent.new(all_machines()[4], AT * 1000)
    agent.fail("chartline.service", AT, is_stubborn=True)

    again = Agent.from_json(agent.machine, agent.as_json())

    assert again == agent


def test_a_folder_with_another_installation_is_refused_and_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "postgres").mkdir()
    monkeypatch.setenv("MAINSTAY_DATA", str(tmp_path))

    for argv in (["demo"], ["demo", "--remove"]):
        result = CliRunner().invoke(app, argv)
        assert isinstance(result.exception, Conflict)
        assert result.exception.code == "demo.not_a_demo"

    assert [one.name for one in tmp_path.iterdir()] == ["postgres"]
