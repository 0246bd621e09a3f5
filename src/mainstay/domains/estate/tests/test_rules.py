"""Identity, freshness and patches of facts."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from mainstay.domains.estate.rules import freshness, identity
from mainstay.domains.estate.rules.patch import patch

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
ONE, TWO = UUID(int=1), UUID(int=2)


def code(**changes: object) -> identity.CodeState:
    values = {"uses_left": 1, "expires_at": NOW + timedelta(hours=1), "wrong_attempts": 0, "is_void": False}
    return identity.CodeState(**{**values, **changes})


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (code(), "usable"),
        (code(expires_at=NOW), "usable"),
        (code(expires_at=NOW - timedelta(seconds=1)), "code_expired"),
        (code(uses_left=0), "code_used_up"),
        (code(wrong_attempts=5), "code_void"),
        (code(is_void=True), "code_void"),
    ],
)
def test_a_code_counts_until_it_is_used_up_expired_or_void(state: identity.CodeState, reason: str) -> None:
    assert identity.code_usable(state, at=NOW).reason == reason


@pytest.mark.parametrize(
    ("mark", "seq", "boot", "reason"),
    [
        (identity.PollMark(4, "a", ""), 5, "a", "next"),
        (identity.PollMark(4, "a", ""), 9, "a", "next"),
        (identity.PollMark(4, "a", ""), 4, "a", "retry"),
        (identity.PollMark(4, "a", ""), 5, "b", "next"),
        (identity.PollMark(4, "a", ""), 3, "a", "clone:falling_poll_seq"),
        (identity.PollMark(5, "b", "a"), 6, "a", "clone:interleaved_boot_ids"),
        (identity.PollMark(5, "b", "a"), 6, "c", "next"),
    ],
)
def test_a_second_machine_with_the_same_key_shows_by_its_numbers(mark: identity.PollMark, seq: int, boot: str, reason: str) -> None:
    assert identity.next_poll(mark, seq=seq, boot_id=boot).reason == reason


def test_a_reboot_is_remembered_so_that_the_old_boot_cannot_come_back() -> None:
    moved = identity.next_poll(identity.PollMark(4, "a", ""), seq=5, boot_id="b")

    assert moved.fields == identity.PollMark(5, "b", "a")


@pytest.mark.parametrize("value", ["", "None", "Default string", "0123456789", "00000000-0000-0000-0000-000000000000", "f" * 32])
def test_a_placeholder_is_no_identity(value: str) -> None:
    assert identity.is_placeholder(value)


def fingerprint(device: UUID, serial: str = "", board: str = "", *macs: str) -> identity.Fingerprint:
    return identity.Fingerprint(device, serial, board, frozenset(macs))


@pytest.mark.parametrize(
    ("new", "known", "match"),
    [
        (fingerprint(ONE, "S1", "b-1"), [fingerprint(TWO, "s1", "B-1")], TWO),
        (fingerprint(ONE, "S1", "", "aa"), [fingerprint(TWO, "S1", "", "aa", "bb")], TWO),
        (fingerprint(ONE, "S1", "b-1"), [fingerprint(TWO, "S1", "b-2")], None),
        (fingerprint(ONE, "", "", "aa"), [fingerprint(TWO, "", "", "aa")], None),
        (fingerprint(ONE, "Default string", "b-1"), [fingerprint(TWO, "Default string", "b-1")], None),
    ],
)
def test_a_match_needs_two_signs_and_no_contradiction(
    new: identity.Fingerprint, known: list[identity.Fingerprint], match: UUID | None
) -> None:
    assert identity.propose_match(new, known) == match


@pytest.mark.parametrize(
    ("group", "age", "state"),
    [
        ("sessions", timedelta(minutes=45), "fresh"),
        ("sessions", timedelta(minutes=46), "stale"),
        ("os", timedelta(days=3), "fresh"),
        ("os", timedelta(days=3, seconds=1), "stale"),
        ("os", timedelta(days=7, seconds=1), "unknown"),
    ],
)
def test_a_fact_is_stale_after_three_periods_and_unknown_after_a_week(group: str, age: timedelta, state: str) -> None:
    assert freshness.freshness(group, seen_at=NOW - age, at=NOW) == state


def test_a_device_that_never_spoke_is_not_silent() -> None:
    assert not freshness.is_silent(None, at=NOW)
    assert not freshness.is_silent(NOW - timedelta(seconds=30), at=NOW)
    assert freshness.is_silent(NOW - timedelta(seconds=31), at=NOW)


def test_a_patch_names_what_changed_and_escapes_its_pointers() -> None:
    old = {"a": 1, "b/c": {"x": [1, 2]}, "gone": None}
    new = {"a": 1, "b/c": {"x": [1, 3]}, "m~n": True}

    assert patch(old, new) == [
        {"op": "replace", "path": "/b~1c/x", "value": [1, 3]},
        {"op": "remove", "path": "/gone"},
        {"op": "add", "path": "/m~0n", "value": True},
    ]


def test_a_patch_of_equal_values_is_empty() -> None:
    assert patch({"a": [1]}, {"a": [1]}) == []
