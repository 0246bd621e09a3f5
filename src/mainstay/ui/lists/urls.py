"""The addresses of a list, from its declaration."""

from collections.abc import Callable
from functools import partial

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET, require_POST

from mainstay.ui.lists import views, views_acts
from mainstay.ui.lists.spec import ListSpec

Door = Callable[..., HttpResponseBase]


def list_urls(
    prefix: str,
    spec: ListSpec,
    *,
    name: str,
    template: str = "ui/list_page.html",
    view: Callable[[HttpRequest], HttpResponseBase] | None = None,
) -> list[URLPattern]:
    """Return page, exports, facets, bulk acts and saved views of a list below one prefix such as `devices/`."""
    stem = prefix.rstrip("/")
    page = require_GET(view) if view else _get(views.list_page, spec, template=template)
    return [
        path(prefix, page, name=name),
        path(f"{stem}.json", _get(views.list_json, spec), name=f"{name}-json"),
        path(f"{stem}.csv", _get(views.list_csv, spec), name=f"{name}-csv"),
        path(f"{prefix}facets/<slug:key>", _get(views.list_facets, spec), name=f"{name}-facets"),
        path(f"{prefix}filter", _get(views.list_filter, spec), name=f"{name}-filter"),
        path(f"{prefix}bulk/<slug:act>/plan", _post(views_acts.bulk_plan, spec), name=f"{name}-bulk-plan"),
        path(f"{prefix}bulk/<slug:act>", _post(views_acts.bulk_run, spec), name=f"{name}-bulk"),
        path(f"{prefix}views", _post(views_acts.view_save, spec), name=f"{name}-views"),
        path(f"{prefix}views/<uuid:view_id>/delete", _post(views_acts.view_delete, spec), name=f"{name}-view-delete"),
    ]


def _get(door: Door, spec: ListSpec, **more: str) -> Door:
    return require_GET(_named(partial(door, spec=spec, **more), door))


def _post(door: Door, spec: ListSpec) -> Door:
    return require_POST(_named(partial(door, spec=spec), door))


def _named(view: "partial[HttpResponseBase]", door: Door) -> Door:
    """Give the partial the name of its door: Django's decorators and tracebacks ask for it."""
    view.__name__ = door.__name__  # type: ignore[attr-defined]  # a partial takes any attribute
    view.__doc__ = door.__doc__
    return view
