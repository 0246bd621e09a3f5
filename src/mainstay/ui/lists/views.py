"""The doors of a list on the web: page, `.json`, `.csv`, facets, filter form.

Owns: parsing, permission to read, rendering. Does not own: what the domain declared, bulk acts (`views_acts`).
"""

from collections.abc import Mapping, Sequence
from typing import Any  # the context of a template

from django.db.models import Count
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render

from mainstay.core.access.services import allows, require
from mainstay.kernel.actors import Actor
from mainstay.kernel.errors import NotFound
from mainstay.ui.lists import saved
from mainstay.ui.lists.export import csv_chunks, page_json
from mainstay.ui.lists.grammar import RESERVED, SUFFIX_WORDS, Query, parse
from mainstay.ui.lists.panel import panel
from mainstay.ui.lists.reading import TOTAL_MAX, Page, as_error, fetch, matching, read_page
from mainstay.ui.lists.spec import Kind, ListSpec
from mainstay.ui.lists.viewer import actor_of, viewer_of

PANEL = "ui/list/panel.html"
FACET_VALUES_MAX = 20


def list_page(
    request: HttpRequest, spec: ListSpec, template: str = "ui/list_page.html", context: Mapping[str, Any] | None = None
) -> HttpResponse:
    """Answer the page of a list, or only its panel when htmx asks for it. A filter that cannot be obeyed answers 422, without rows."""
    actor = actor_of(request)
    require(actor, spec.permission)
    pairs = pairs_of(request)
    default = None if pairs or is_fragment(request) else saved.default_of(actor, spec)
    if default is not None:
        return redirect(f"{request.path}?{default.query}")
    page = read_page(spec, actor, query_of(request, spec))
    shown = panel(
        spec,
        request.path,
        pairs,
        page,
        saved=saved.visible_to(actor, spec),
        me=actor.person_id,
        acts=[act for act in spec.bulk if allows(actor, act.permission)],
        unfiltered=_unfiltered_total(spec, actor, page),
    )
    status = 422 if page.query.problems else 200
    name = PANEL if is_fragment(request) else template
    answer = render(request, name, {**(context or {}), "list": shown, "spec": spec}, status=status)
    answer["Vary"] = "HX-Request"
    return answer


def list_json(request: HttpRequest, spec: ListSpec) -> HttpResponse:
    """Answer one page as the API would. Errors: Invalid for a filter that cannot be obeyed."""
    actor = actor_of(request)
    require(actor, spec.permission)
    return JsonResponse(page_json(spec, fetch(spec, actor, pairs_of(request), viewer_of(request))))


def list_csv(request: HttpRequest, spec: ListSpec) -> StreamingHttpResponse:
    """Answer all pages as one streamed file. Errors: Invalid for a filter that cannot be obeyed."""
    actor = actor_of(request)
    require(actor, spec.permission)
    query = query_of(request, spec)
    if query.problems:
        raise as_error(query.problems)
    labels = request.GET.get("header") == "label"
    answer = StreamingHttpResponse(csv_chunks(spec, actor, query, labels=labels), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{spec.slug}.csv"'
    # Compressed chunk by chunk, a file would end after its first chunk for most readers.
    answer["Content-Encoding"] = "identity"
    return answer


def list_facets(request: HttpRequest, spec: ListSpec, key: str) -> HttpResponse:
    """Answer the values that exist in a column, with counts under all other filters."""
    actor = actor_of(request)
    require(actor, spec.permission)
    column = spec.column(key)
    if column is None or column.kind not in (Kind.CHOICE, Kind.BOOL):
        raise NotFound("list.unknown_facet", "This column offers no values.")
    pairs = {name: values for name, values in pairs_of(request).items() if name != key}
    rows = matching(spec, actor, parse(spec, pairs, viewer_of(request))).order_by()
    counted = rows.values_list(column.path).annotate(number=Count("pk")).order_by("-number")[:FACET_VALUES_MAX]
    chosen = request.GET.getlist(key)
    base = request.path.partition("/facets/")[0] + "/"
    values = [
        (text, column.choices.get(text, text), number, text in chosen) for text, number in ((_facet_text(v), n) for v, n in counted) if text
    ]
    return render(request, "ui/list/facet.html", {"column": column, "values": values, "base": base, "pairs": _flat(pairs)})


def list_filter(request: HttpRequest, spec: ListSpec) -> HttpResponse:
    """Turn the three fields of the filter form into a complete address and go there."""
    require(actor_of(request), spec.permission)
    address = request.GET.copy()
    name, suffix, value = (address.pop(f"_{part}", [""])[-1] for part in ("column", "suffix", "value"))
    if name:
        key = f"{name}__{suffix}" if suffix in SUFFIX_WORDS and suffix else name
        address.appendlist(key, value or "true" if suffix == "empty" else value)
    address.pop("after", None)
    return redirect(f"{request.path.removesuffix('filter')}?{address.urlencode()}")


def is_fragment(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-History-Restore-Request") != "true"


def pairs_of(request: HttpRequest) -> dict[str, list[str]]:
    return {key: [str(value) for value in values] for key, values in request.GET.lists()}


def query_of(request: HttpRequest, spec: ListSpec) -> Query:
    return parse(spec, pairs_of(request), viewer_of(request))


def _unfiltered_total(spec: ListSpec, actor: Actor, page: Page) -> int | None:
    """Count what exists without filters, only when the filters left nothing: the page then says so."""
    if page.rows or not page.query.is_filtered:
        return None
    return spec.rows(actor).order_by().values("pk")[: TOTAL_MAX + 1].count()


def _facet_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _flat(pairs: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    kept = [key for key in pairs if key not in ("after", "view") or key not in RESERVED]
    return [(key, value) for key in kept for value in pairs[key]]
