"""The writing doors of a list: the plan of a bulk act, its execution and report, saved views."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render

from mainstay.core.access.services import require
from mainstay.kernel.errors import Invalid, NotFound
from mainstay.ui.lists import bulk, saved
from mainstay.ui.lists.grammar import Query, parse
from mainstay.ui.lists.reading import as_error
from mainstay.ui.lists.spec import BulkAct, ListSpec
from mainstay.ui.lists.viewer import actor_of, clock_of, viewer_of


def bulk_plan(request: HttpRequest, spec: ListSpec, act: str) -> HttpResponse:
    """Show what the act would touch: names, count, the values it needs. Changes nothing."""
    chosen = _act(request, spec, act)
    query = _whole_query(request, spec) if request.POST.get("all") == "1" else None
    plan = bulk.plan(spec, chosen, actor_of(request), ids=request.POST.getlist("ids"), query=query)
    return render(request, "ui/list/plan.html", {"plan": plan, "spec": spec, "url": request.path.removesuffix("/plan")})


def bulk_run(request: HttpRequest, spec: ListSpec, act: str) -> HttpResponse:
    """Do what the plan showed and report per row."""
    chosen = _act(request, spec, act)
    values = {field.name: request.POST.get(field.name, "") for field in chosen.fields}
    targets = request.POST.get("targets", "")
    report = bulk.execute(spec, chosen, actor_of(request), targets=targets, values=values, clock=clock_of(request))
    undo_url = f"{request.path.rpartition('/')[0]}/{chosen.undo}"
    return render(request, "ui/list/report.html", {"report": report, "spec": spec, "undo_url": undo_url})


def view_save(request: HttpRequest, spec: ListSpec) -> HttpResponse:
    """Keep the present state of the list and go to it."""
    form = request.POST
    view = saved.save_view(
        actor=actor_of(request),
        spec=spec,
        name=form.get("name", ""),
        query=form.get("query", ""),
        visibility=form.get("visibility", "me"),
        default_for=form.get("default_for", ""),
        density=form.get("density", ""),
        clock=clock_of(request),
    )
    return redirect(f"{request.path.removesuffix('views')}?{view.query}")


def view_delete(request: HttpRequest, spec: ListSpec, view_id: UUID) -> HttpResponse:
    saved.delete_view(actor=actor_of(request), spec=spec, view_id=view_id, clock=clock_of(request))
    return redirect(f"{request.path.partition('views/')[0]}?view=all")


def _act(request: HttpRequest, spec: ListSpec, name: str) -> BulkAct:
    actor = actor_of(request)
    require(actor, spec.permission)
    act = spec.act(name)
    if act is None:
        raise NotFound("list.unknown_act", "This list has no such act.")
    require(actor, act.permission)
    return act


def _whole_query(request: HttpRequest, spec: ListSpec) -> Query:
    text = QueryDict(request.POST.get("query", "").lstrip("?"))
    query = parse(spec, {key: [str(value) for value in values] for key, values in text.lists()}, viewer_of(request))
    if query.problems:
        raise as_error(query.problems)
    if query.after:
        raise Invalid("list.bad_value", "A selection of all rows takes no page address.", pointer="after")
    return query
