"""Acting on many rows: what the plan showed is what runs, and each row has its own fate."""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

import pytest

from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock, FixedClock
from mainstay.kernel.errors import Conflict, Invalid, Refused
from mainstay.ui.lists import BulkAct, BulkField, Done, ListSpec
from mainstay.ui.lists.bulk import execute, plan
from mainstay.ui.lists.grammar import parse
from mainstay.ui.lists.values import Viewer
from mainstay.ui.models import FirstAnswer
from mainstay.ui.tests.conftest import answer


def set_status(actor: Actor, row_id: UUID, values: Mapping[str, str], clock: Clock) -> Done:
    row = FirstAnswer.objects.get(id=row_id)
    before, row.status = row.status, int(values["status"])
    row.save()
    if row.key == "forbidden":
        raise Refused("test.no", "This one is protected.")
    if row.key == "broken":
        raise Conflict("test.moved", "It moved on.")
    return Done.UNCHANGED if before == row.status else Done.DONE


ACT = BulkAct("set", "Set", "access.tenant.read", run=set_status, fields=(BulkField("status", "Status"),))


def test_each_row_has_its_own_outcome_and_a_refused_row_is_untouched(spec: ListSpec, actor: Actor) -> None:
    rows = [answer(actor.tenant, name, status=1) for name in ("good", "forbidden", "broken")]
    same = answer(actor.tenant, "same", status=5)
    chosen = plan(spec, ACT, actor, ids=[str(row.id) for row in (*rows, same)], query=None)

    report = execute(spec, ACT, actor, targets=chosen.targets, values={"status": "5"}, clock=FixedClock())

    assert {row.name: (row.outcome, row.reason) for row in report.rows} == {
        "good": ("done", ""),
        "forbidden": ("refused", "This one is protected."),
        "broken": ("failed", "It moved on."),
        "same": ("unchanged", ""),
    }
    assert dict(FirstAnswer.objects.values_list("key", "status")) == {"good": 5, "forbidden": 1, "broken": 1, "same": 5}


def test_a_later_match_is_not_added_to_the_plan(spec: ListSpec, actor: Actor, viewer: Viewer) -> None:
    answer(actor.tenant, "one", status=1)
    answer(actor.tenant, "two", status=2)
    chosen = plan(spec, ACT, actor, ids=[], query=parse(spec, {"status": ["1"]}, viewer))
    answer(actor.tenant, "late", status=1)

    report = execute(spec, ACT, actor, targets=chosen.targets, values={"status": "9"}, clock=FixedClock())

    assert [row.name for row in report.rows] == ["one"]
    assert dict(FirstAnswer.objects.values_list("key", "status")) == {"one": 9, "two": 2, "late": 1}


def test_a_row_that_is_gone_is_reported(spec: ListSpec, actor: Actor) -> None:
    row = answer(actor.tenant, "one")
    chosen = plan(spec, ACT, actor, ids=[str(row.id)], query=None)
    row.delete()

    report = execute(spec, ACT, actor, targets=chosen.targets, values={"status": "1"}, clock=FixedClock())

    assert [one.outcome for one in report.rows] == ["refused"]


def test_a_plan_is_good_for_one_person_and_one_act(spec: ListSpec, actor: Actor) -> None:
    row = answer(actor.tenant, "one", status=1)
    chosen = plan(spec, ACT, actor, ids=[str(row.id)], query=None)

    for somebody, act, targets in (
        (replace(actor, ref="p:other"), ACT, chosen.targets),
        (actor, replace(ACT, name="delete"), chosen.targets),
        (actor, ACT, chosen.targets[:-1]),
    ):
        with pytest.raises(Conflict):
            execute(spec, act, somebody, targets=targets, values={"status": "9"}, clock=FixedClock())
    assert FirstAnswer.objects.get().status == 1


def test_a_missing_value_changes_nothing(spec: ListSpec, actor: Actor) -> None:
    row = answer(actor.tenant, "one", status=1)
    chosen = plan(spec, ACT, actor, ids=[str(row.id)], query=None)

    with pytest.raises(Invalid):
        execute(spec, ACT, actor, targets=chosen.targets, values={"status": " "}, clock=FixedClock())
    assert FirstAnswer.objects.get().status == 1


def test_an_empty_selection_is_no_plan(spec: ListSpec, actor: Actor) -> None:
    with pytest.raises(Invalid):
        plan(spec, ACT, actor, ids=[], query=None)


def clear_status(actor: Actor, row_id: UUID, values: Mapping[str, str], clock: Clock) -> Done:
    return Done.DONE if FirstAnswer.objects.filter(id=row_id).exclude(status=None).update(status=None) else Done.UNCHANGED


CLEAR = BulkAct("clear", "Clear", "access.tenant.read", run=clear_status)


def test_undo_takes_back_exactly_what_was_done(spec: ListSpec, actor: Actor) -> None:
    act = replace(ACT, undo="clear")
    listed = spec.with_bulk(act, CLEAR)
    rows = [answer(actor.tenant, name, status=1) for name in ("good", "forbidden")]
    same = answer(actor.tenant, "same", status=5)
    chosen = plan(listed, act, actor, ids=[str(row.id) for row in (*rows, same)], query=None)
    assert chosen.undo == CLEAR

    report = execute(listed, act, actor, targets=chosen.targets, values={"status": "5"}, clock=FixedClock())
    assert report.undo == CLEAR
    execute(listed, CLEAR, actor, targets=report.undo_targets, values={}, clock=FixedClock())

    assert dict(FirstAnswer.objects.values_list("key", "status")) == {"good": None, "forbidden": 1, "same": 5}


def test_nothing_is_offered_to_be_undone_when_nothing_was_done(spec: ListSpec, actor: Actor) -> None:
    act = replace(ACT, undo="clear")
    listed = spec.with_bulk(act, CLEAR)
    row = answer(actor.tenant, "same", status=5)
    chosen = plan(listed, act, actor, ids=[str(row.id)], query=None)

    report = execute(listed, act, actor, targets=chosen.targets, values={"status": "5"}, clock=FixedClock())

    assert (report.undo, report.undo_targets) == (None, "")
