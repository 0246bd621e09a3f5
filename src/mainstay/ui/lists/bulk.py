"""Acting on many rows: the plan names them, the report says what became of each.

Owns: the frozen selection, one savepoint per row, the report. Does not own: the act (a service of a domain).
Invariant: what runs is exactly what the plan showed; a row that is refused or fails changes nothing and stops no other row.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.core import signing
from django.db import transaction

from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Conflict, Invalid, MainstayError, Refused
from mainstay.ui.lists.grammar import Query
from mainstay.ui.lists.reading import matching, ordered
from mainstay.ui.lists.spec import BulkAct, BulkField, Done, ListSpec, Row

TARGETS_MAX = 10_000
NAMED_MAX = 20
PLAN_AGE_MAX_S = 3_600
_SALT = "mainstay.ui.bulk"


@dataclass(frozen=True)
class Plan:
    """The page before the act: how many, some of their names, and the frozen selection."""

    act: BulkAct
    count: int
    names: tuple[str, ...]
    missing: int
    targets: str
    undo: BulkAct | None = None

    @property
    def more(self) -> int:
        return self.count - len(self.names)


@dataclass(frozen=True)
class RowReport:
    """What became of one row: done, unchanged, refused or failed, with the reason."""

    id: UUID
    name: str
    outcome: str
    reason: str = ""


@dataclass(frozen=True)
class Report:
    """The page after the act."""

    act: BulkAct
    rows: tuple[RowReport, ...]
    undo: BulkAct | None = None
    undo_targets: str = ""

    def count(self, outcome: str) -> int:
        return sum(row.outcome == outcome for row in self.rows)

    @property
    def counts(self) -> list[tuple[str, int]]:
        return [(word, self.count(word)) for word in ("done", "unchanged", "refused", "failed") if self.count(word)]

    @property
    def not_done(self) -> list[RowReport]:
        return [row for row in self.rows if row.outcome in ("refused", "failed")]


def plan(spec: ListSpec, act: BulkAct, actor: Actor, *, ids: Sequence[str], query: Query | None) -> Plan:
    """Freeze a selection: the given ids, or all that the query matches now; later matches are never added.

    Errors: Invalid("list.nothing_selected"), Invalid("list.too_many_selected").
    """
    rows = spec.rows(actor)
    wanted = _uuids(ids)
    rows = ordered(matching(spec, actor, query), query) if query else rows.filter(pk__in=wanted).order_by("pk")
    found = list(rows[: TARGETS_MAX + 1])
    if not found:
        raise Invalid("list.nothing_selected", "None of the selected rows exists any more. Select again.", pointer="ids")
    if len(found) > TARGETS_MAX or len(wanted) > TARGETS_MAX:
        raise Invalid("list.too_many_selected", f"At most {TARGETS_MAX} rows can be changed at once. Narrow the filter.", pointer="ids")
    names = tuple(name_of(spec, row) for row in found[:NAMED_MAX])
    missing = 0 if query else len(wanted) - len(found)
    return Plan(act, len(found), names, missing, _freeze(spec, act, actor, [row.pk for row in found]), spec.act(act.undo))


def execute(spec: ListSpec, act: BulkAct, actor: Actor, *, targets: str, values: Mapping[str, str], clock: Clock) -> Report:
    """Run the act on each row of a frozen selection, in the caller's transaction, one savepoint per row.

    Errors: Conflict("list.plan_expired") when the selection is old, changed, or another person's; Invalid for a missing value.
    """
    ids = _thaw(spec, act, actor, targets)
    filled = {field.name: _filled(field, values.get(field.name, "")) for field in act.fields}
    rows = {row.pk: row for row in spec.rows(actor).filter(pk__in=ids)}
    outcomes = tuple(_run_one(spec, act, actor, one, rows.get(one), filled, clock) for one in ids)
    undo, done = spec.act(act.undo), [row.id for row in outcomes if row.outcome == Done.DONE]
    return Report(act, outcomes, undo if done else None, _freeze(spec, undo, actor, done) if undo and done else "")


def _run_one(spec: ListSpec, act: BulkAct, actor: Actor, one: UUID, row: Row | None, values: Mapping[str, str], clock: Clock) -> RowReport:
    if row is None:
        return RowReport(one, str(one), "refused", "It is gone, or it belongs to another client: open that client and act there.")
    name = name_of(spec, row)
    try:
        with transaction.atomic():
            return RowReport(one, name, act.run(actor, one, values, clock).value)
    except Refused as problem:
        return RowReport(one, name, "refused", problem.message)
    except MainstayError as problem:
        return RowReport(one, name, "failed", problem.message)


def name_of(spec: ListSpec, row: Row) -> str:
    """Return what people call a row: its linked column, else the first one."""
    column = next((column for column in spec.columns if column.link), spec.columns[0])
    value = column.value(row) if column.value else None
    return str(value if value is not None else getattr(row, column.path, "") or row)


def _filled(field: BulkField, text: str) -> str:
    if field.required and not text.strip():
        raise Invalid("list.value_missing", f"{field.label} is needed.", pointer=field.name)
    if field.choices and text and text not in field.choices:
        raise Invalid("list.bad_value", f"{field.label}: one of the offered values is expected.", pointer=field.name)
    return text.strip()


def _uuids(ids: Sequence[str]) -> list[UUID]:
    try:
        return list(dict.fromkeys(UUID(one) for one in ids))
    except ValueError:
        raise Invalid("list.bad_value", "An id of the selection is not an id.", pointer="ids") from None


def _freeze(spec: ListSpec, act: BulkAct, actor: Actor, ids: Sequence[UUID]) -> str:
    document = [spec.name, act.name, actor.ref, [one.hex for one in ids]]
    return signing.dumps(document, salt=_SALT, compress=True)


def _thaw(spec: ListSpec, act: BulkAct, actor: Actor, targets: str) -> list[UUID]:
    try:
        name, act_name, ref, ids = signing.loads(targets, salt=_SALT, max_age=PLAN_AGE_MAX_S)
    except (signing.BadSignature, json.JSONDecodeError, ValueError):
        raise Conflict("list.plan_expired", "This plan is too old or incomplete. Select the rows again.") from None
    if [name, act_name, ref] != [spec.name, act.name, actor.ref]:
        raise Conflict("list.plan_expired", "This plan was made for another list, act or person. Select the rows again.")
    return [UUID(hex=one) for one in ids]
