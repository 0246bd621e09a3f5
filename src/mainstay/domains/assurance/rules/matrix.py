"""The integration matrix: who watches, backs up, patches, logs, pays for and owns each system, and what stands alone.

Source: security page, section 5 rules 6 to 8. Invariant: "connected" needs an exchange that was seen; without one the cell says
what is possible, or that nobody knows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from mainstay.domains.assurance.rules.judged import DataClass, Subject
from mainstay.domains.assurance.rules.results import Result, Verdict

SILENT_INTERVALS = 3
OVERLAP_MIN = 2
# Two tools of one of these functions on one subject are one too many.
FUNCTIONS = ("protection", "backup", "remote access", "monitoring", "passwords")


class Column(StrEnum):
    IDENTITY = "identity"
    LEAVER = "leaver"
    INVENTORY = "inventory"
    MONITORING = "monitoring"
    LOGS = "logs"
    BACKUP = "backup"
    PATCH = "patch"
    TICKET = "ticket"
    COST = "cost"


class State(StrEnum):
    CONNECTED = "connected"
    POSSIBLE = "possible"
    NOT_POSSIBLE = "not_possible"
    NOT_NEEDED = "not_needed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Cell:
    """One system and one function. `rule` says by which fact or rule the cell is as it is."""

    state: State
    rule: str
    last: datetime | None = None
    interval: timedelta | None = None

    def is_silent(self, now: datetime) -> bool:
        """Say whether a connection has been quiet for more than three of its intervals."""
        if self.state is not State.CONNECTED or self.last is None or self.interval is None:
            return False
        return now - self.last > SILENT_INTERVALS * self.interval


@dataclass(frozen=True)
class System:
    """A row: a device with an agent, or a system that somebody entered. `tools` maps a function to what does it here."""

    subject: Subject
    cells: Mapping[Column, Cell]
    tools: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    peers: frozenset[str] = frozenset()
    yearly_cost: Mapping[str, int] = field(default_factory=dict)

    def cell(self, column: Column) -> Cell:
        return self.cells.get(column, Cell(State.UNKNOWN, "no_source"))


def needed(subject: Subject) -> Mapping[Column, str]:
    """Return the functions that a system needs, each with the rule that says so."""
    found = {
        Column.INVENTORY: "every_system",
        Column.MONITORING: "every_system",
        Column.PATCH: "every_system",
        Column.TICKET: "every_system",
    }
    if subject.data is not DataClass.OTHER:
        found |= {Column.BACKUP: "holds_data", Column.LOGS: "holds_data", Column.IDENTITY: "holds_data", Column.LEAVER: "holds_data"}
    if subject.tier is not None and subject.tier <= OVERLAP_MIN:
        found |= {Column.BACKUP: "tier_1_or_2", Column.LOGS: "tier_1_or_2"}
    return found


def judge_connected(system: System) -> Result:
    """ITG-01: every function that the system needs is connected, and somebody owns the system."""
    wanted = needed(system.subject)
    states = {column: system.cell(column).state for column in wanted}
    missing = sorted(column for column, state in states.items() if state in (State.POSSIBLE, State.NOT_POSSIBLE))
    unknown = sorted(column for column, state in states.items() if state is State.UNKNOWN)
    failing = (*missing, *(() if system.subject.owner else ("owner",)))
    total = len(wanted) + 1
    if failing:
        well = total - len(failing) - len(unknown)
        return _result(
            "ITG-01", Verdict.PARTIAL if well else Verdict.FAIL, f"{system.subject.name} lacks: {', '.join(failing)}.", well, total, failing
        )
    if unknown:
        return _unknown("ITG-01", "no_source", f"Nobody knows of {system.subject.name}: {', '.join(unknown)}.")
    return _result("ITG-01", Verdict.PASS, f"{system.subject.name} has every function that it needs.", total, total)


def judge_silent(system: System, now: datetime) -> Result:
    """ITG-02: what is connected still speaks."""
    connected = sorted(column for column in Column if system.cell(column).state is State.CONNECTED)
    measured = [column for column in connected if system.cell(column).interval is not None]
    silent = tuple(column for column in measured if system.cell(column).is_silent(now))
    if not measured:
        return Result("ITG-02", Verdict.NOT_APPLICABLE, "No connection with a known interval.", (), reason="no_interval")
    if silent:
        seen = f"{system.subject.name} has been silent on: {', '.join(silent)}."
        kept = len(measured) - len(silent)
        return _result("ITG-02", Verdict.PARTIAL if kept else Verdict.FAIL, seen, kept, len(measured), silent)
    return _result("ITG-02", Verdict.PASS, f"{len(measured)} connections spoke in time.", len(measured), len(measured))


def judge_island(system: System) -> Result:
    """ITG-03: no system stands alone."""
    edges = sum(system.cell(column).state is State.CONNECTED for column in Column) + len(system.peers)
    if edges:
        return _result("ITG-03", Verdict.PASS, f"{system.subject.name} has {edges} connections.", 1, 1)
    if all(system.cell(column).state is State.UNKNOWN for column in Column):
        return _unknown("ITG-03", "no_source", f"Nobody has said what {system.subject.name} is connected with.")
    return _result("ITG-03", Verdict.FAIL, f"{system.subject.name} is connected with nothing.", 0, 1, (system.subject.name,))


def judge_overlap(system: System) -> Result:
    """ITG-06: one tool for one function."""
    known = {function: tools for function, tools in system.tools.items() if function in FUNCTIONS and tools}
    if not known:
        return Result("ITG-06", Verdict.NOT_APPLICABLE, "No tool is known here.", (), reason="no_tools")
    double = {function: tools for function, tools in sorted(known.items()) if len(tools) >= OVERLAP_MIN}
    if not double:
        return _result("ITG-06", Verdict.PASS, f"{len(known)} functions, one tool each.", len(known), len(known))
    seen = "; ".join(f"{function}: {' and '.join(sorted(tools))}{_wasted(system, tools)}" for function, tools in double.items())
    kept = len(known) - len(double)
    return _result("ITG-06", Verdict.PARTIAL if kept else Verdict.FAIL, f"{seen}.", kept, len(known), tuple(double))


def as_rows(systems: Iterable[System], now: datetime) -> list[dict[str, object]]:
    """Return the matrix as plain data; a needed cell without an answer stays visible as such."""
    return [{"system": one.subject.name, "id": one.subject.id, "cells": _cells(one, now)} for one in _ordered(systems)]


def _ordered(systems: Iterable[System]) -> Sequence[System]:
    return sorted(systems, key=lambda one: (one.subject.name, one.subject.id))


def _cells(system: System, now: datetime) -> dict[str, dict[str, object]]:
    wanted = needed(system.subject)
    return {str(column): _cell(system.cell(column), wanted.get(column, ""), now) for column in Column}


def _cell(cell: Cell, need: str, now: datetime) -> dict[str, object]:
    state = cell.state
    if state in (State.POSSIBLE, State.UNKNOWN) and not need:
        return {
            "state": str(State.NOT_NEEDED if state is State.POSSIBLE else state),
            "last": None,
            "rule": cell.rule,
            "needed": "",
            "silent": False,
        }
    last = cell.last.strftime("%Y-%m-%dT%H:%M:%SZ") if cell.last else None
    return {"state": str(state), "last": last, "rule": cell.rule, "needed": need, "silent": cell.is_silent(now)}


def _wasted(system: System, tools: Sequence[str]) -> str:
    """Return the yearly cost of the cheaper tool: what stopping one of them saves at least."""
    costs = [system.yearly_cost[tool] for tool in tools if tool in system.yearly_cost]
    return f" (at least {min(costs)} minor units a year)" if len(costs) == len(tools) else ""


def _result(check: str, verdict: Verdict, seen: str, passed: int, total: int, failing: Sequence[str] = ()) -> Result:
    return Result(check, verdict, seen, (), passed, total, tuple(failing))


def _unknown(check: str, reason: str, seen: str) -> Result:
    return Result(check, Verdict.UNKNOWN, seen, (), reason=reason)
