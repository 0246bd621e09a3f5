"""A list as an operation of the API."""

from collections.abc import Callable
from typing import Any  # query parameters of any list

from django.http import HttpRequest, JsonResponse
from ninja import Router

from mainstay.core.access.services import require
from mainstay.ui.lists.export import page_json
from mainstay.ui.lists.grammar import PAGE_SIZES, RESERVED, SUFFIX_WORDS
from mainstay.ui.lists.reading import fetch
from mainstay.ui.lists.spec import Column, Kind, ListSpec
from mainstay.ui.lists.viewer import actor_of, viewer_of

Json = dict[str, Any]
_TYPES: dict[Kind, Json] = {
    Kind.TEXT: {"type": ["string", "null"]},
    Kind.NUMBER: {"type": ["number", "null"]},
    Kind.DURATION: {"type": ["number", "null"], "description": "seconds"},
    Kind.BOOL: {"type": ["boolean", "null"]},
    Kind.TIME: {"type": ["string", "null"], "format": "date-time"},
    Kind.CHOICE: {"type": ["string", "null"]},
    Kind.ID: {"type": ["string", "null"], "format": "uuid"},
}


def add_list(router: Router, path: str, spec: ListSpec) -> None:
    """Add `GET <path>` to a domain's router: the same filters, order and paging as the page."""

    def read(request: HttpRequest) -> JsonResponse:
        actor = actor_of(request)
        require(actor, spec.permission)
        pairs = {key: [str(value) for value in values] for key, values in request.GET.lists()}
        return JsonResponse(page_json(spec, fetch(spec, actor, pairs, viewer_of(request))))

    operation: Callable[..., JsonResponse] = read
    router.get(
        path,
        operation_id=f"{spec.name.replace('.', '_')}_list",
        summary=f"List {spec.title.lower()}",
        openapi_extra={"parameters": _parameters(spec), "responses": {200: _answer(spec)}, "x-permission": spec.permission},
    )(operation)


def _parameters(spec: ListSpec) -> list[Json]:
    filters = [_parameter(column.key, _filter_text(column)) for column in spec.columns if column.filterable and column.is_stored]
    return [*filters, *(_parameter(key, text) for key, text in _COMMON.items() if key != "q" or spec.search)]


_COMMON = {
    "q": "Words that the text of a row contains.",
    "sort": "Keys, comma-separated; `-key` descends. The id is always the last one.",
    "n": f"Rows per page, 1 to {PAGE_SIZES[-1]} (default 50).",
    "after": "The `next` of the page before.",
}
assert set(_COMMON) <= set(RESERVED)  # noqa: S101 - the documentation cannot promise what the grammar does not know


def _parameter(name: str, text: str) -> Json:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "schema": {"type": "array", "items": {"type": "string"}},
        "explode": True,
        "description": text,
    }


def _filter_text(column: Column) -> str:
    values = f" One of: {', '.join(column.choices)}." if column.choices else ""
    return (
        f"{column.label} ({column.kind}).{values} Suffixes: {', '.join(f'`__{word}`' for word in SUFFIX_WORDS if word)}. Repeat for any-of."
    )


def _answer(spec: ListSpec) -> Json:
    columns = {column.key: {**_TYPES[column.kind], "title": column.label} for column in spec.columns}
    item = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string", "format": "uuid"}, **columns}}
    page = {
        "type": "object",
        "required": ["items", "next", "total", "total_is_exact"],
        "properties": {
            "items": {"type": "array", "items": item},
            "next": {"type": ["string", "null"], "description": "Pass as `after` for the next page; null at the end."},
            "total": {"type": "integer"},
            "total_is_exact": {"type": "boolean"},
        },
    }
    return {"description": "One page", "content": {"application/json": {"schema": page}}}
