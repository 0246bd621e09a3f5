"""The query string of a list: filters, search, sort, columns, page size, cursor.

Owns: what each key means and what is a problem. Does not own: the database.
Invariant: every key is understood or reported; a list with a problem shows no rows.
Source: experience page, section 3, rules 1 to 4.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mainstay.ui.lists.spec import Column, Kind, ListSpec
from mainstay.ui.lists.values import Viewer, read, read_bool

PAGE_SIZES = (25, 50, 100, 200)  # offered on the page; API and command line may ask for any size up to the largest
PAGE_SIZE = 50
VALUES_MAX = 100
TEXT_MAX = 500

# Keys that are no filters. `view` only names the view that a link came from, `header` belongs to the export.
RESERVED = ("q", "sort", "cols", "n", "after", "view", "header")

_ORDERED = frozenset({Kind.NUMBER, Kind.DURATION, Kind.TIME})
_SUFFIXES: Mapping[str, frozenset[Kind]] = {
    "": frozenset(Kind),
    "not": frozenset(Kind),
    "lt": _ORDERED,
    "lte": _ORDERED,
    "gt": _ORDERED,
    "gte": _ORDERED,
    "contains": frozenset({Kind.TEXT}),
    "empty": frozenset(Kind),
}
SUFFIX_WORDS = {
    "": "is",
    "not": "is not",
    "lt": "below",
    "lte": "at most",
    "gt": "above",
    "gte": "at least",
    "contains": "contains",
    "empty": "is empty",
}


@dataclass(frozen=True)
class Filter:
    """One condition: any of the values, on one column."""

    column: Column
    suffix: str
    raw: tuple[str, ...]
    values: tuple[object, ...]

    @property
    def key(self) -> str:
        return f"{self.column.key}__{self.suffix}" if self.suffix else self.column.key


@dataclass(frozen=True)
class Problem:
    """A key that cannot be obeyed, with the sentence that the chip shows."""

    code: str
    key: str
    message: str
    raw: tuple[str, ...] = ()


@dataclass(frozen=True)
class SortKey:
    column: Column
    descending: bool = False

    @property
    def text(self) -> str:
        return f"-{self.column.key}" if self.descending else self.column.key


@dataclass(frozen=True)
class Query:
    """A query string, understood."""

    filters: tuple[Filter, ...] = ()
    q: str = ""
    sort: tuple[SortKey, ...] = ()
    columns: tuple[Column, ...] = ()
    n: int = PAGE_SIZE
    after: str = ""
    problems: tuple[Problem, ...] = field(default=())

    @property
    def is_filtered(self) -> bool:
        return bool(self.filters or self.q or self.problems)

    @property
    def fingerprint(self) -> str:
        """Identify sort and filter, so that a cursor of another list order is recognised."""
        conditions = sorted([one.key, *sorted(one.raw)] for one in self.filters)
        document = [conditions, self.q, [key.text for key in self.sort]]
        return hashlib.sha256(json.dumps(document).encode()).hexdigest()[:12]


def parse(spec: ListSpec, pairs: Mapping[str, Sequence[str]], viewer: Viewer) -> Query:
    """Understand a query string. Problems are values here; each edge decides how to report them."""
    problems: list[Problem] = []
    filters = [one for one in (_filter(spec, key, raw, viewer, problems) for key, raw in pairs.items()) if one]
    return Query(
        filters=tuple(filters),
        q=_search(spec, _last(pairs, "q"), problems),
        sort=_sort(spec, _last(pairs, "sort") or spec.sort, problems),
        columns=_columns(spec, _last(pairs, "cols"), problems),
        n=_size(_last(pairs, "n"), problems),
        after=_last(pairs, "after"),
        problems=tuple(problems),
    )


def _last(pairs: Mapping[str, Sequence[str]], key: str) -> str:
    values = pairs.get(key)
    return values[-1].strip() if values else ""


def _filter(spec: ListSpec, key: str, raw: Sequence[str], viewer: Viewer, problems: list[Problem]) -> Filter | None:
    if key in RESERVED:
        return None
    name, _, suffix = key.partition("__")
    column = spec.column(name)
    if column is None or not column.filterable or not column.is_stored or column.kind not in _SUFFIXES.get(suffix, ()):
        problems.append(Problem("list.unknown_filter", key, f"There is no filter “{key}” here.", tuple(raw)))
        return None
    try:
        values = tuple(_value(column, suffix, text, viewer) for text in _limited(raw))
    except ValueError as problem:
        problems.append(Problem("list.bad_value", key, f"{column.label}: {problem}.", tuple(raw)))
        return None
    return Filter(column, suffix, tuple(raw), values)


def _limited(raw: Sequence[str]) -> Sequence[str]:
    if len(raw) > VALUES_MAX or any(len(text) > TEXT_MAX for text in raw):
        raise ValueError(f"at most {VALUES_MAX} values of {TEXT_MAX} characters are expected")
    return raw


def _value(column: Column, suffix: str, text: str, viewer: Viewer) -> object:
    if suffix == "empty":
        return read_bool(text)
    if suffix == "contains":
        return text
    return read(column, text, viewer)


def _search(spec: ListSpec, text: str, problems: list[Problem]) -> str:
    if not text:
        return ""
    if not spec.search:
        problems.append(Problem("list.unknown_filter", "q", "This list has no text search.", (text,)))
    elif len(text) > TEXT_MAX or "\x00" in text:
        problems.append(Problem("list.bad_value", "q", f"At most {TEXT_MAX} characters can be searched for.", (text[:TEXT_MAX],)))
    else:
        return text
    return ""


def _sort(spec: ListSpec, text: str, problems: list[Problem]) -> tuple[SortKey, ...]:
    keys: list[SortKey] = []
    for part in text.split(","):
        name = part.strip().removeprefix("-")
        column = _sort_column(spec, name)
        if column is None:
            problems.append(Problem("list.bad_value", "sort", f"There is no order by “{name}” here.", (text,)))
        elif column.key != "id" and column.key not in [key.column.key for key in keys]:
            keys.append(SortKey(column, part.strip().startswith("-")))
        elif column.key == "id":
            # The id is always the last key; naming it only chooses its direction.
            return (*keys, SortKey(column, part.strip().startswith("-")))
    return (*keys, SortKey(_ID, bool(keys) and keys[-1].descending))


_ID = Column("id", "Id", Kind.ID)


def _sort_column(spec: ListSpec, name: str) -> Column | None:
    if name == "id":
        return _ID
    column = spec.column(name)
    return column if column and column.sortable and column.is_stored else None


def _columns(spec: ListSpec, text: str, problems: list[Problem]) -> tuple[Column, ...]:
    if not text:
        return tuple(column for column in spec.columns if column.shown)
    wanted = [(name, spec.column(name)) for name in text.split(",")]
    for name in _unknown(wanted):
        problems.append(Problem("list.bad_value", "cols", f"There is no column “{name}”.", (text,)))
    return tuple({column.key: column for _, column in wanted if column}.values())


def _unknown(wanted: Iterable[tuple[str, Column | None]]) -> list[str]:
    return [name for name, column in wanted if column is None]


def _size(text: str, problems: list[Problem]) -> int:
    if not text:
        return PAGE_SIZE
    if text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= PAGE_SIZES[-1]:
        return int(text)
    problems.append(Problem("list.bad_value", "n", f"A page has at most {PAGE_SIZES[-1]} rows; the export has all of them.", (text,)))
    return PAGE_SIZE
