"""Reading the conformance vectors of the SLA engine; the file itself is never part of the project."""

import json
import os
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any  # vectors are free-form JSON

import pytest

from mainstay.domains.desk.rules.policy import ClockName, Policy, Target, Threshold, pause_reasons
from mainstay.domains.desk.rules.timeline import Event
from mainstay.kernel.calendars import WorkCalendar, parse_calendar, to_us

_FOLDER = Path(os.environ.get("MAINSTAY_CONFORMANCE", "../shared/conformance"))
_FILE = _FOLDER / "sla_vectors.json"


def load() -> list[dict[str, Any]]:
    if not _FILE.exists():
        pytest.skip(f"no conformance data ({_FILE} does not exist; set MAINSTAY_CONFORMANCE)")
    cases: list[dict[str, Any]] = json.loads(_FILE.read_text())
    return cases


def of_kind(*kinds: str) -> list[dict[str, Any]]:
    return [case for case in load() if case["kind"] in kinds]


def us(text: str | None) -> int | None:
    return None if text is None else to_us(datetime.fromisoformat(text))


def instant(text: str) -> int:
    return to_us(datetime.fromisoformat(text))


def day(text: str) -> date:
    return date.fromisoformat(text)


def target_of(case: Mapping[str, Any], calendar: WorkCalendar) -> Target:
    return Target(
        calendar=calendar,
        seconds=case.get("target_s"),
        days=case.get("target_days"),
        end_of_day=case.get("end_of_working_day", False),
    )


def threshold_of(data: Mapping[str, int]) -> Threshold:
    return Threshold(percent=data.get("percent"), offset_s=data.get("offset_s"), offset_days=data.get("offset_days"))


def policy_of(data: Mapping[str, Any], calendar: WorkCalendar) -> Policy:
    return Policy(
        {
            ClockName(name): Target(calendar, seconds=target["target_s"], pause_on=pause_reasons(ClockName(name)))
            for name, target in data["clocks"].items()
        }
    )


def events_of(case: Mapping[str, Any], calendar: WorkCalendar) -> Iterator[Event]:
    for seq, raw in enumerate(case["events"], start=1):
        data = dict(raw)
        data.setdefault("human", True)
        if "start" in data:
            data["start"] = instant(data["start"])
        if "breached" in data:
            data["breached"] = {clock: instant(at) for clock, at in data["breached"].items()}
        yield Event(
            at=instant(raw["at"]),
            seq=seq,
            type=raw["type"],
            data=data,
            recorded_at=instant(raw.get("recorded_at", raw["at"])),
            policy=policy_of(raw["policy"], calendar) if "policy" in raw else None,
        )


def calendar_of(case: Mapping[str, Any]) -> WorkCalendar:
    return parse_calendar(case["calendar"])
