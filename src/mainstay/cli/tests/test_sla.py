"""`mainstay sla` finds the incident that a person means, and says how its time adds up."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from mainstay.cli import sla
from mainstay.kernel.errors import Invalid, NotFound

CLOCK = {
    "clock": "resolution", "cycle": 1, "epoch": 1, "state": "running", "due_at": "2026-03-02T10:00:00+00:00", "target_s": 7200,
    "consumed_us": 3_600_000_000, "paused_us": 600_000_000,
    "segments": [
        {"kind": "running", "start_at": "A", "end_at": "B", "exact_us": 3_600_000_000, "reasons": []},
        {"kind": "paused", "start_at": "B", "end_at": None, "exact_us": 600_000_000, "reasons": ["waiting_customer"]},
    ],
}  # fmt: skip


class Listed:
    """A client that answers with some incidents."""

    def __init__(self, *references: str) -> None:
        self.references = references

    def rows(self, path: str, query: object, limit: int | None) -> Iterator[Mapping[str, Any]]:
        return ({"id": f"id-of-{reference}", "reference": reference} for reference in self.references)


@pytest.mark.parametrize("text", ["ACME-42-13", "acme-42-13", "42", "#42"])
def test_an_incident_is_found_by_its_reference_or_the_number_that_people_say(text: str) -> None:
    assert sla.find(Listed("ACME-142-88", "ACME-42-13"), text)["id"] == "id-of-ACME-42-13"  # type: ignore[arg-type]  # stands in for the client


def test_an_id_is_taken_as_it_is() -> None:
    assert sla.find(Listed(), "0190b6a8-0000-7000-8000-000000000001")["id"] == "0190b6a8-0000-7000-8000-000000000001"  # type: ignore[arg-type]  # as above


def test_a_number_of_two_organisations_is_asked_back_and_an_unknown_one_is_not_found() -> None:
    with pytest.raises(Invalid, match="ACME-42-13, HARBOR-42-77"):
        sla.find(Listed("ACME-42-13", "HARBOR-42-77"), "42")  # type: ignore[arg-type]  # as above
    with pytest.raises(NotFound):
        sla.find(Listed("ACME-142-88"), "42")  # type: ignore[arg-type]  # as above


def test_an_explanation_adds_up_line_by_line() -> None:
    assert list(sla.told({"reference": "ACME-42-13"}, [CLOCK])) == [
        "ACME-42-13  resolution 1.1: running, due 2026-03-02T10:00:00+00:00",
        "    1:00:00 of 2:00:00 consumed, 0:10:00 paused",
        "    A to B  running  1:00:00",
        "    B to now  paused  0:10:00  waiting_customer",
    ]


def test_an_incident_without_a_promise_says_so() -> None:
    assert list(sla.told({"reference": "ACME-42-13"}, [])) == ["ACME-42-13: no promise is bound to it, so no clock runs."]
