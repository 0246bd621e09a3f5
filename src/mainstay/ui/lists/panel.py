"""What the template of a list shows: tabs, chips, headers, rows, pager. Links only; no query of its own.

Owns: the addresses that lead from one state of a list to the next. Invariant: every address is complete by itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from django.utils.safestring import SafeString

from mainstay.ui.lists.cells import as_html
from mainstay.ui.lists.grammar import PAGE_SIZES, SUFFIX_WORDS, Filter, Query
from mainstay.ui.lists.reading import TOTAL_MAX, Page
from mainstay.ui.lists.spec import BulkAct, Column, Kind, ListSpec, Row
from mainstay.ui.models import SavedView

Pairs = Mapping[str, Sequence[str]]
ALL_VIEW = "all"
NAME_MAX = 80


@dataclass(frozen=True)
class Tab:
    name: str
    url: str
    is_current: bool
    saved_id: str = ""
    is_mine: bool = False
    density: str = ""


@dataclass(frozen=True)
class Chip:
    """One visible filter condition and the address without it."""

    label: str
    text: str
    remove_url: str
    problem: str = ""


@dataclass(frozen=True)
class Header:
    column: Column
    url: str
    aria_sort: str

    @property
    def is_number(self) -> bool:
        return self.column.kind in (Kind.NUMBER, Kind.DURATION)


@dataclass(frozen=True)
class Line:
    id: str
    name: str
    url: str
    cells: Sequence[tuple[Header, SafeString]]


@dataclass(frozen=True)
class Panel:
    """Everything the template needs, computed."""

    spec: ListSpec
    base: str
    tabs: Sequence[Tab]
    chips: Sequence[Chip]
    headers: Sequence[Header]
    lines: Sequence[Line]
    total: str
    next_url: str
    first_url: str
    clear_url: str
    csv_url: str
    json_url: str
    query_string: str
    kept: Sequence[tuple[str, str]]
    sizes: Sequence[tuple[int, str, bool]]
    facets: Sequence[Column]
    filters: Sequence[Column]
    acts: Sequence[BulkAct] = ()
    problems: Sequence[str] = ()
    q: str = ""
    unfiltered_total: int | None = None
    columns_chosen: frozenset[str] = field(default=frozenset())

    @property
    def dom_id(self) -> str:
        return f"list-{self.spec.slug}"

    @property
    def state(self) -> str:
        """Return which of the states is on show: rows, error, no_match (something exists) or none_yet."""
        if self.lines:
            return "rows"
        if self.problems:
            return "error"
        return "no_match" if self.chips else "none_yet"

    @property
    def density(self) -> str:
        """Return how dense the current view wants to be shown; nothing leaves it to the person's preference."""
        return next((tab.density for tab in self.tabs if tab.is_current and tab.density), "")

    @property
    def suggested_name(self) -> str:
        """Return a name for the present state, so that keeping it takes one press."""
        return ", ".join(f"{chip.label} {chip.text}" for chip in self.chips if not chip.problem)[:NAME_MAX] or self.spec.title

    @property
    def has_more_than_page(self) -> bool:
        return bool(self.next_url)


def panel(
    spec: ListSpec,
    base: str,
    pairs: Pairs,
    page: Page,
    *,
    saved: Sequence[SavedView],
    me: object,
    acts: Sequence[BulkAct],
    unfiltered: int | None,
) -> Panel:
    """Build the panel of one page."""
    query = page.query
    headers = [_header(column, query, base, pairs) for column in query.columns]
    stem = base.rstrip("/")
    shown = urlencode([*_without(pairs, "after", "n", "view")])
    return Panel(
        spec=spec,
        base=base,
        tabs=_tabs(spec, base, pairs, saved, me),
        chips=_chips(query, base, pairs),
        headers=headers,
        lines=[_line(spec, headers, row) for row in page.rows],
        total=total_text(page),
        next_url=_address(base, pairs, after=page.next) if page.next else "",
        first_url=_address(base, pairs, after="") if query.after else "",
        clear_url=f"{base}?view={ALL_VIEW}",
        csv_url=f"{stem}.csv?{shown}",
        json_url=f"{stem}.json?{shown}",
        query_string=shown,
        kept=list(_without(pairs, "q", "after", "view")),
        sizes=[(size, _address(base, pairs, n=str(size), after=""), size == query.n) for size in PAGE_SIZES],
        facets=[column for column in spec.columns if column.filterable and column.is_stored and column.kind in (Kind.CHOICE, Kind.BOOL)],
        filters=[column for column in spec.columns if column.filterable and column.is_stored],
        acts=acts,
        problems=[problem.message for problem in page.problems],
        q=query.q,
        unfiltered_total=unfiltered,
        columns_chosen=frozenset(column.key for column in query.columns),
    )


def total_text(page: Page) -> str:
    """Return the total as people read it: exact to the limit, then honest about it."""
    return f"{page.total:,}".replace(",", "\u202f") if page.total_is_exact else f"more than {TOTAL_MAX:,}".replace(",", "\u202f")


def _tabs(spec: ListSpec, base: str, pairs: Pairs, saved: Sequence[SavedView], me: object) -> list[Tab]:
    current = _canonical(urlencode(list(_without(pairs, "after", "n", "view"))))
    tabs = [Tab("All", f"{base}?view={ALL_VIEW}", not current)]
    tabs += [Tab(view.name, f"{base}?{view.query}", _canonical(view.query) == current) for view in spec.views]
    tabs += [
        Tab(one.name, f"{base}?{one.query}", _canonical(one.query) == current, str(one.id), one.owner == me, one.density) for one in saved
    ]
    return tabs


def _canonical(query_string: str) -> tuple[str, ...]:
    return tuple(sorted(part for part in query_string.split("&") if part))


def _chips(query: Query, base: str, pairs: Pairs) -> list[Chip]:
    chips = [_chip(one, base, pairs) for one in query.filters]
    if query.q:
        chips.append(Chip("Text", f"“{query.q}”", _address(base, pairs, q="", after="")))
    chips += [Chip(one.key, ", ".join(one.raw), _address(base, pairs, **{one.key: "", "after": ""}), one.message) for one in query.problems]
    return chips


def _chip(one: Filter, base: str, pairs: Pairs) -> Chip:
    words = [one.column.choices.get(value, value) for value in one.raw]
    joined = f"{SUFFIX_WORDS[one.suffix]} {' or '.join(words)}"
    if one.suffix == "empty":
        joined = "is empty" if one.values == (True,) else "is not empty"
    return Chip(one.column.label, joined, _address(base, pairs, **{one.key: "", "after": ""}))


def _header(column: Column, query: Query, base: str, pairs: Pairs) -> Header:
    first = query.sort[0] if query.sort else None
    is_first = first is not None and first.column.key == column.key
    descending = bool(first and is_first and first.descending)
    wanted = column.key if not is_first or descending else f"-{column.key}"
    url = _address(base, pairs, sort=wanted, after="") if column.sortable and column.is_stored else ""
    return Header(column, url, ("descending" if descending else "ascending") if is_first else "")


def _line(spec: ListSpec, headers: Sequence[Header], row: Row) -> Line:
    cells = [(header, as_html(header.column, row)) for header in headers]
    name = next((str(cell) for header, cell in cells if header.column.link), str(row.pk))
    return Line(str(row.pk), name, spec.link(row) if spec.link else "", cells)


def _without(pairs: Pairs, *keys: str) -> list[tuple[str, str]]:
    return [(key, value) for key, values in pairs.items() if key not in keys for value in values if value != "" or key not in ("q", "sort")]


def _address(base: str, pairs: Pairs, **changes: str) -> str:
    """Return the address with some keys replaced; an empty value removes the key."""
    kept = _without(pairs, "view", *changes)
    return f"{base}?{urlencode([*kept, *((key, value) for key, value in changes.items() if value)])}"
