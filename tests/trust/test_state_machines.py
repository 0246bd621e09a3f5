"""Witness, clocks, budgets, damage bound: small pure machines and their vectors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay_trust import budgets, clocks, merkle, witness
from mainstay_trust.actions import CATALOGUE
from mainstay_trust.budgets import Limit
from mainstay_trust.clocks import ClockState
from mainstay_trust.damage import damage_bound
from mainstay_trust.notes import Checkpoint
from mainstay_trust.witness import ASKED_AGAIN, DOUBT, FORK, STORED, UNCHANGED, Witness

from .world import DEVICE, policy, service

NIGHT = {"id": "night", "zone": "device", "rrule": "FREQ=DAILY", "start": "22:00", "end": "06:00"}

TREE = merkle.Tree(merkle.leaf_hash(b"leaf %d" % number) for number in range(8))
FORKED = merkle.Tree(merkle.leaf_hash(b"other %d" % number) for number in range(8))


def checkpoint(size, tree=TREE, origin="log"):
    return Checkpoint(origin, size, tree.root(size))


def proof(old, new, tree=TREE):
    return merkle.consistency_proof(old, new, tree.read)


START = Witness(checkpoint(3))


def test_a_proven_newer_checkpoint_is_stored():
    assert witness.observe(START, checkpoint(7), proof(3, 7)) == (Witness(checkpoint(7)), STORED)


def test_the_same_checkpoint_changes_nothing_and_clears_misses():
    assert witness.observe(Witness(checkpoint(3), misses=2), checkpoint(3), []) == (START, UNCHANGED)


@pytest.mark.parametrize(
    ("offered", "offered_proof"),
    [
        (checkpoint(7), [*reversed(proof(3, 7)[:2]), *proof(3, 7)[2:]]),
        (Checkpoint("log", 7, TREE.root(8)), proof(3, 7)),
        (checkpoint(7), []),
        (checkpoint(7, FORKED), proof(3, 7, FORKED)),
        (checkpoint(7, origin="other"), proof(3, 7)),
    ],
)
def test_a_failing_proof_or_an_unknown_origin_is_doubt_at_once(offered, offered_proof):
    doubted, outcome = witness.observe(START, offered, offered_proof)

    assert (doubted.checkpoint, doubted.alarm, outcome) == (checkpoint(3), DOUBT, DOUBT)


@pytest.mark.parametrize(("offered", "offered_proof"), [(checkpoint(2), None), (None, None), (checkpoint(7), None)])
def test_a_missing_answer_is_doubt_at_the_third_heartbeat(offered, offered_proof):
    state, outcomes = START, []
    for _ in range(3):
        state, outcome = witness.observe(state, offered, offered_proof)
        outcomes.append(outcome)

    assert outcomes == [ASKED_AGAIN, ASKED_AGAIN, DOUBT]
    assert state.alarm == DOUBT


def test_a_good_answer_in_between_starts_the_count_again():
    state, _ = witness.observe(START, None, None)
    state, _ = witness.observe(state, checkpoint(3), [])
    state, outcome = witness.observe(state, None, None)

    assert (state.misses, outcome) == (1, ASKED_AGAIN)


def test_a_doubt_is_cleared_by_the_right_proof():
    doubted, _ = witness.observe(START, checkpoint(7), [])

    assert witness.observe(doubted, checkpoint(7), proof(3, 7)) == (Witness(checkpoint(7)), STORED)


def test_a_fork_is_cleared_by_no_checkpoint():
    forked, outcome = witness.observe(START, Checkpoint("log", 3, TREE.root(4)), [])

    assert (forked.alarm, outcome) == (FORK, FORK)
    for offered, offered_proof in [(checkpoint(3), []), (checkpoint(7), proof(3, 7)), (None, None), (checkpoint(7), [])]:
        later, outcome = witness.observe(forked, offered, offered_proof)
        assert (later.alarm, later.checkpoint, outcome == STORED) == (FORK, checkpoint(3), False)


def test_every_tree_continues_the_empty_one():
    empty = Witness(Checkpoint("log", 0, merkle.EMPTY_ROOT))

    assert witness.observe(empty, checkpoint(5), []) == (Witness(checkpoint(5)), STORED)
    assert witness.observe(Witness(Checkpoint("log", 0, bytes(32))), checkpoint(5), [])[1] == DOUBT


ANSWERS = st.tuples(st.sampled_from([TREE, FORKED]), st.integers(1, 8), st.booleans())


@given(st.lists(ANSWERS, max_size=12))
def test_the_stored_checkpoint_only_moves_along_its_own_tree(answers):
    state = Witness(checkpoint(1))

    for tree, size, has_proof in answers:
        before = state.checkpoint.size
        given_proof = proof(before, size, tree) if has_proof and size >= before else None
        state, _ = witness.observe(state, checkpoint(size, tree), given_proof)
        assert state.checkpoint.root == TREE.root(state.checkpoint.size)
        assert state.checkpoint.size >= before


# Clocks.


def test_a_server_time_raises_the_floor_and_never_the_lower_clock():
    _, state = clocks.read(ClockState(), wall=1000, boot="b", uptime_s=10)
    state, code = clocks.raise_floor(state, 5000, wall=1000)
    reading, _ = clocks.read(state, wall=1001, boot="b", uptime_s=11)

    assert (code, reading.upper, reading.lower) == (None, 5000, 1001)


def test_a_server_time_more_than_a_day_ahead_is_not_believed():
    state, code = clocks.raise_floor(ClockState(floor=7), 1000 + 86401, wall=1000)

    assert (state.floor, code) == (7, "clock_disagree")
    assert clocks.raise_floor(ClockState(), 1000 + 86400, wall=1000) == (ClockState(floor=87400), None)


def test_the_floor_never_falls():
    assert clocks.raise_floor(ClockState(floor=500), 400, wall=1000)[0].floor == 500


def test_within_a_boot_the_lower_clock_is_no_faster_than_the_boot_clock():
    _, state = clocks.read(ClockState(), wall=1000, boot="b", uptime_s=10)
    jumped, state = clocks.read(state, wall=90_000, boot="b", uptime_s=20)
    back, state = clocks.read(state, wall=500, boot="b", uptime_s=30)
    rebooted, _ = clocks.read(state, wall=90_100, boot="c", uptime_s=5)

    assert (jumped.lower, back.lower, rebooted.lower) == (1010, 1010, 90_100)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.booleans(), st.integers(0, 1000)), max_size=20))
def test_neither_clock_ever_goes_back(steps):
    state, uptime, boot, last = ClockState(floor=5), 0, 0, (0, 0)

    for wall, is_reboot, passed in steps:
        boot, uptime = (boot + 1, 0) if is_reboot else (boot, uptime + passed)
        reading, state = clocks.read(state, wall=wall, boot=str(boot), uptime_s=uptime)
        assert reading.lower >= last[1]
        assert reading.upper >= 5
        last = (reading.upper, reading.lower)


# Budgets and the damage bound.


@pytest.mark.parametrize(("at", "left"), [(1200, 0), (3599, 0), (3600, 1), (4199, 1), (4200, 2), (4800, 3)])
def test_a_use_counts_while_it_is_younger_than_the_window(at, left):
    assert Limit(per_hour=3).left([0, 600, 1200], at=at) == left


def test_the_tightest_window_decides_and_no_window_means_no_limit():
    assert Limit(per_hour=3, per_day=6).left([0] * 5, at=4000) == 1
    assert Limit().left([0] * 5, at=0) is None


@given(st.lists(st.integers(0, 10_000), max_size=60), st.integers(1, 5))
def test_no_window_ever_holds_more_than_the_limit(moments, most):
    used = []
    for at in sorted(moments):
        if Limit(per_hour=most).left(used, at=at):
            used.append(at)

    assert all(sum(1 for u in used if at - 3600 < u <= at) <= most for at in range(0, 13_601, 97))


def bound(*, devices=42, runbooks=None, **changes):
    given = {"services": [service("a.service"), service("b.service")], "windows": [NIGHT]}
    return damage_bound(policy(**(given | changes)), CATALOGUE, devices, runbooks=runbooks)


def test_the_damage_bound_is_that_of_the_vector():
    found = bound(runbooks={"restart-spooler": 6})

    assert (found.restarts_per_day, found.reboots_per_day, found.patch_installs_per_day) == (504, 42, 84)
    assert (found.runbook_calls_per_day, found.unsigned_scripts) == (252, 0)


@pytest.mark.parametrize(
    ("changes", "restarts", "reboots"),
    [
        ({"tiers": {"default": "T0"}}, 0, 0),
        ({"tiers": {"default": "T0", "web": "T1"}, "groups": {DEVICE: ["web"]}}, 12, 1),
        ({"tiers": {"default": "T1", "web": "T0"}, "groups": {DEVICE: ["web"]}}, 41 * 12, 41),
        ({"windows": []}, 504, 0),
        ({"services": [service("a.service", allow=[])]}, 0, 42),
        ({"services": [service("a.service", devices=[DEVICE])]}, 6, 42),
        ({"budgets": {"all": {"per_day": 4}}}, 168, 42),
        ({"budgets": {"service.restart": {"per_hour": 1}}}, 42 * 24, 42),
    ],
    ids=str,
)
def test_the_damage_bound_follows_the_policy(changes, restarts, reboots):
    found = bound(**changes)

    assert (found.restarts_per_day, found.reboots_per_day) == (restarts, reboots)


def test_every_action_of_the_catalogue_has_a_budget_that_exists():
    named = {action.budget for action in CATALOGUE.values() if action.budget}

    assert named <= set(budgets.DEFAULT_LIMITS)
    assert all(action.name == name for name, action in CATALOGUE.items())
