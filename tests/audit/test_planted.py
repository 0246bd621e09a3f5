"""Known weaknesses on a real Debian root: the collectors and checks find every one, and none of their clean counterparts.

The rooms are private copies of this machine's root in memory, with Debian's own tools in them (`room`). They need root and packages;
where either is missing the test says so and is skipped.
"""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mainstay.domains.assurance.rules.checks import judge
from mainstay.domains.assurance.rules.facts import Group, Host, Role
from mainstay.domains.assurance.rules.results import Result, Verdict
from mainstay_agent.facts.catalogue import GROUPS
from tests.audit.plants import PLANTS, Plant

PROJECT = Path(__file__).resolve().parents[2]
NO_PACKAGES = 77
TIME_LIMIT_S = 900
BY_NAME = {plant.name: plant for plant in PLANTS}
CLEAN_BEFORE = frozenset({"a program of nobody"})


@pytest.fixture(scope="module")
def rooms() -> dict[str, Any]:
    if os.geteuid() != 0:
        pytest.skip("root is needed to copy a machine's root")
    argv = ["unshare", "--mount", "--propagation", "private", sys.executable, str(PROJECT / "tests/audit/room.py"), str(PROJECT)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False)
    if done.returncode == NO_PACKAGES:
        pytest.skip("Debian packages cannot be fetched here")
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def room_host(room: dict[str, Any]) -> Host:
    """Turn what the agent printed into the facts of a host, as the server does."""
    groups = {}
    for answer in room["answers"]:
        at = datetime.fromtimestamp(answer["collected_at"], UTC)
        groups[answer["group"]] = Group(answer["group"], at, "0" * 64, "1", answer.get("value"), answer.get("unknown", ""))
    as_of = max(group.collected_at for group in groups.values())
    declared = {"people": ["tara"], "software_owners": ["/opt/ledger"], "logs_received_at": int(as_of.timestamp())}
    return Host("d", "room", as_of, Role.SERVER, groups, declared)


def named(result: Result, words: str) -> bool:
    return any(words in one for one in result.failing)


@pytest.fixture(scope="module")
def weak(rooms: dict[str, Any]) -> Host:
    return room_host(rooms["weak"])


@pytest.fixture(scope="module")
def clean(rooms: dict[str, Any]) -> Host:
    return room_host(rooms["clean"])


def test_at_least_forty_weaknesses_of_every_kind_are_planted() -> None:
    assert len(PLANTS) >= 40
    assert len({plant.name for plant in PLANTS}) == len(PLANTS)
    assert {plant.check[:3] for plant in PLANTS} == {"ACC", "NET", "ENC", "PAT", "LOG", "SYS", "INT"}


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_a_planted_weakness_is_found(name: str, weak: Host, rooms: dict[str, Any]) -> None:
    plant: Plant = BY_NAME[name]
    result = judge(plant.check, weak)

    assert name not in rooms["weak"]["failed"], rooms["weak"]["failed"][name]
    assert result.verdict in (Verdict.FAIL, Verdict.PARTIAL), result
    assert named(result, plant.says), result.failing


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_its_clean_counterpart_is_not_found(name: str, clean: Host, rooms: dict[str, Any]) -> None:
    plant: Plant = BY_NAME[name]
    result = judge(plant.check, clean)

    assert name not in rooms["clean"]["failed"], rooms["clean"]["failed"][name]
    assert result.verdict is not Verdict.UNKNOWN, result
    assert not named(result, plant.says), result.failing


def test_every_group_is_taken_and_names_its_sources(weak: Host) -> None:
    audited = {name: group.body for name, group in weak.groups.items() if name.startswith("audit_")}

    assert set(weak.groups) == set(GROUPS)
    assert {name for name, body in audited.items() if body is None} == set()
    for body in audited.values():
        assert body is not None
        assert all(len(source["excerpt"]) <= 400 and len(source["raw_sha256"]) == 64 for source in body["sources"])  # type: ignore[arg-type,index,union-attr,call-overload]


def test_no_secret_leaves_the_room(rooms: dict[str, Any]) -> None:
    sent = json.dumps(rooms["weak"]["answers"])

    for secret in ("9sKkOlNGXsGzJfPjd5Rhd", "ab8xLyFyoR5Wo", "X3DX6M94c7o", "PRIVATE KEY", "AAAAB3NzaC1yc2E", "rocommunity"):
        assert secret not in sent
