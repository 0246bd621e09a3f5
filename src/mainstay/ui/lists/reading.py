"""Reading one page of a list: filters, total order, keyset, exact total to a limit.

Owns: the translation of a query to the database. Does not own: who may see which row (the source and row security do).
Invariant: the order is total (the id is its last key) and NULLs are last in both directions, so no row is shown twice or skipped.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any  # rows of a list are model instances of any domain

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import F, Field, Model, Q, QuerySet
from django.db.models.expressions import OrderBy

from mainstay.kernel.actors import Actor
from mainstay.kernel.errors import Invalid
from mainstay.ui.lists.grammar import Filter, Problem, Query, SortKey, parse
from mainstay.ui.lists.spec import Kind, ListSpec, stored_value
from mainstay.ui.lists.values import Span, Viewer

TOTAL_MAX = 10_000


@dataclass(frozen=True)
class Page:
    """One page of rows. `total` counts the matches up to TOTAL_MAX; beyond it, `total_is_exact` is false."""

    query: Query
    rows: Sequence[Any]
    next: str
    total: int
    total_is_exact: bool
    problems: tuple[Problem, ...] = ()


def fetch(spec: ListSpec, actor: Actor, pairs: Mapping[str, Sequence[str]], viewer: Viewer) -> Page:
    """Return a page for the API. Errors: Invalid with the first problem's code and its key as pointer."""
    page = read_page(spec, actor, parse(spec, pairs, viewer))
    if page.problems:
        raise as_error(page.problems)
    return page


def as_error(problems: Sequence[Problem]) -> Invalid:
    first = problems[0]
    return Invalid(
        first.code, first.message, pointer=first.key, problems=[{"pointer": p.key, "code": p.code, "detail": p.message} for p in problems]
    )


def read_page(spec: ListSpec, actor: Actor, query: Query) -> Page:
    """Return a page for people: problems come as values, with no rows, or with page 1 when only the cursor is wrong."""
    if query.problems:
        return Page(query, (), "", 0, True, query.problems)
    rows = matching(spec, actor, query)
    problems: tuple[Problem, ...] = ()
    try:
        shown, further = window(rows, query, query.after, query.n)
    except ValueError:
        problems = (Problem("list.cursor_mismatch", "after", "The page address belongs to another order or filter; this is page 1."),)
        shown, further = window(rows, query, "", query.n)
    total = rows.order_by().values("pk")[: TOTAL_MAX + 1].count()
    return Page(query, shown, further, min(total, TOTAL_MAX), total <= TOTAL_MAX, problems)


def window(rows: QuerySet[Any], query: Query, after: str, size: int) -> tuple[list[Any], str]:
    """Return the rows behind a cursor and the cursor of the last one, empty at the end. Errors: ValueError for a foreign cursor."""
    if after:
        rows = rows.filter(_after(rows, query, after))
    found = list(rows.order_by(*_order(rows, query.sort))[: size + 1])
    shown = found[:size]
    return shown, _cursor(query, shown[-1]) if len(found) > size else ""


def matching(spec: ListSpec, actor: Actor, query: Query) -> QuerySet[Any]:
    """Return every row that the query means, unordered. A query with problems means none."""
    rows = spec.rows(actor)
    if query.problems:
        return rows.none()
    for one in query.filters:
        rows = rows.filter(condition(one))
    for word in query.q.split():
        anywhere = Q()
        for path in spec.search:
            anywhere |= Q(**{f"{path}__icontains": word})
        rows = rows.filter(anywhere)
    return rows


def ordered(rows: QuerySet[Any], query: Query) -> QuerySet[Any]:
    return rows.order_by(*_order(rows, query.sort))


def condition(one: Filter) -> Q:
    """Return a filter as a condition: any of its values."""
    path = one.column.path
    if one.suffix == "empty":
        return _empty(one, path)
    if one.suffix in ("", "not") and one.column.kind is not Kind.TIME:
        chosen = Q(**{f"{path}__in": list(one.values)})
        return ~chosen if one.suffix else chosen
    anyhow = Q()
    for value in one.values:
        anyhow |= _compare(path, one.suffix, value)
    return anyhow


def _empty(one: Filter, path: str) -> Q:
    nothing = Q(**{f"{path}__isnull": True})
    if one.column.kind in (Kind.TEXT, Kind.CHOICE):
        nothing |= Q(**{path: ""})
    wanted = Q()
    for value in one.values:
        wanted |= nothing if value else ~nothing
    return wanted


def _compare(path: str, suffix: str, value: object) -> Q:
    if isinstance(value, Span):
        return _compare_span(path, suffix, value)
    return Q(**{f"{path}__icontains" if suffix == "contains" else f"{path}__{suffix}": value})


def _compare_span(path: str, suffix: str, span: Span) -> Q:
    """Compare with a day as a whole: after it means after its end, from it means from its start."""
    is_instant = span.start == span.end
    inside = Q(**{path: span.start}) if is_instant else Q(**{f"{path}__gte": span.start, f"{path}__lt": span.end})
    return {
        "": inside,
        "not": ~inside,
        "lt": Q(**{f"{path}__lt": span.start}),
        "lte": Q(**{f"{path}__lte": span.end}) if is_instant else Q(**{f"{path}__lt": span.end}),
        "gt": Q(**{f"{path}__gt": span.end}) if is_instant else Q(**{f"{path}__gte": span.end}),
        "gte": Q(**{f"{path}__gte": span.start}),
    }[suffix]


def _order(rows: QuerySet[Any], keys: Sequence[SortKey]) -> list[OrderBy]:
    return [_order_by(rows, key) for key in keys]


def _order_by(rows: QuerySet[Any], key: SortKey) -> OrderBy:
    # A plain index serves a column that cannot be NULL in both directions; NULLS LAST would forbid the backward walk.
    nulls_last = True if _may_be_null(rows, key.column.path) else None
    path = F(key.column.path)
    return path.desc(nulls_last=nulls_last) if key.descending else path.asc(nulls_last=nulls_last)


def _after(rows: QuerySet[Any], query: Query, after: str) -> Q:
    """Return the condition of the rows behind the cursor. Errors: ValueError when the cursor is not of this query."""
    values = _read_cursor(rows, query, after)
    behind = Q()
    equal = Q()
    for key, value in zip(query.sort, values, strict=True):
        path = key.column.path
        if value is None:
            equal &= Q(**{f"{path}__isnull": True})  # NULLs are last: nothing of this key comes behind
            continue
        beyond = Q(**{f"{path}__{'lt' if key.descending else 'gt'}": value})
        if _may_be_null(rows, path):
            beyond |= Q(**{f"{path}__isnull": True})
        behind |= equal & beyond
        equal &= Q(**{path: value})
    return behind


def _cursor(query: Query, row: Model) -> str:
    values = [_plain(stored_value(row, key.column.path)) for key in query.sort]
    document = json.dumps([query.fingerprint, values], separators=(",", ":"))
    return base64.urlsafe_b64encode(document.encode()).decode().rstrip("=")


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _read_cursor(rows: QuerySet[Any], query: Query, after: str) -> list[object]:
    try:
        document = json.loads(base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)))
        fingerprint, plain = document
    except (binascii.Error, ValueError, TypeError) as problem:
        raise ValueError("not a cursor") from problem
    if fingerprint != query.fingerprint or not isinstance(plain, list) or len(plain) != len(query.sort):
        raise ValueError("a cursor of another order or filter")
    return [_typed(rows, key.column.path, value) for key, value in zip(query.sort, plain, strict=True)]


def _typed(rows: QuerySet[Any], path: str, value: object) -> object:
    field = _field(rows, path)
    if value is None or field is None:
        return value
    try:
        return field.to_python(value)
    except ValidationError as problem:
        raise ValueError("a cursor with a foreign value") from problem


def _may_be_null(rows: QuerySet[Any], path: str) -> bool:
    if "__" in path or path in rows.query.annotations:
        return True
    field = _field(rows, path)
    return field is None or bool(field.null)


def _field(rows: QuerySet[Any], path: str) -> "Field[Any, Any] | None":
    """Return the field behind a path: of an annotation, of the model, or through relations; None inside JSON."""
    annotation = rows.query.annotations.get(path)
    if annotation is not None:
        output: Field[Any, Any] = annotation.output_field
        return output
    model: Any = rows.model
    found: Any = None
    for step in path.split("__"):
        if model is None:
            return None
        try:
            found = model._meta.get_field(step)
        except FieldDoesNotExist:
            return None
        model = found.related_model if found.is_relation else None
    return found if isinstance(found, Field) else None
