"""What a domain says about a list: columns, source, search, views, bulk acts.

Owns: the words of the declaration. Does not own: reading, rendering or acting.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any  # rows of a list are model instances of any domain
from uuid import UUID

from django.db.models import Model, QuerySet

from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.json import Json

Row = Any


class Kind(StrEnum):
    """How the values of a column are compared, shown and exported."""

    TEXT = "text"
    NUMBER = "number"
    BOOL = "bool"
    TIME = "time"
    CHOICE = "choice"
    ID = "id"
    DURATION = "duration"


class Done(StrEnum):
    """What a bulk act made of one row, when it was neither refused nor failed."""

    DONE = "done"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Column:
    """One column. `field` is the ORM path (default: the key); `value` computes what no path can say."""

    key: str
    label: str
    kind: Kind = Kind.TEXT
    field: str = ""
    choices: Mapping[str, str] = dataclasses.field(default_factory=dict)
    tones: Mapping[str, str] = dataclasses.field(default_factory=dict)
    unit: str = ""
    shown: bool = True
    sortable: bool = True
    filterable: bool = True
    link: bool = False
    me: bool = False
    value: Callable[[Row], Json] | None = None

    @property
    def path(self) -> str:
        return self.field or self.key

    @property
    def is_stored(self) -> bool:
        """A computed column without a path can be shown and exported, but neither filtered nor sorted."""
        return self.value is None or bool(self.field)


@dataclass(frozen=True)
class View:
    """A view that ships with the product: a name and a query string."""

    name: str
    query: str


@dataclass(frozen=True)
class Empty:
    """What the list says while there is nothing in it at all: why, and the next step."""

    title: str
    text: str = ""
    label: str = ""
    url_name: str = ""


@dataclass(frozen=True)
class BulkField:
    """One value that a bulk act asks for, the same for all rows."""

    name: str
    label: str
    required: bool = True
    choices: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class BulkAct:
    """An act on selected rows. `run` is called once per row, each in its own savepoint; a MainstayError is that row's report.

    effect: what the plan says will happen. undo: the name of the act of this list that takes it back for the rows it changed;
    it asks for no values. key: the single key of the keyboard grammar.
    """

    name: str
    label: str
    permission: str
    run: Callable[[Actor, UUID, Mapping[str, str], Clock], Done]
    fields: tuple[BulkField, ...] = ()
    icon: str = "check"
    danger: bool = False
    effect: str = ""
    undo: str = ""
    key: str = ""


@dataclass(frozen=True)
class ListSpec:
    """A list. The same declaration serves page, `.json`, `.csv`, API and command line."""

    name: str
    title: str
    permission: str
    rows: Callable[[Actor], QuerySet[Any]]
    columns: tuple[Column, ...]
    noun: str = "row"
    sort: str = "-id"
    search: tuple[str, ...] = ()
    link: Callable[[Row], str] | None = None
    views: tuple[View, ...] = ()
    empty: Empty = Empty("Nothing here yet.")
    topic: str = ""
    bulk: tuple[BulkAct, ...] = ()

    def with_bulk(self, *acts: BulkAct) -> "ListSpec":
        """Return the list with acts: they call services, which the module of queries cannot know."""
        return replace(self, bulk=(*self.bulk, *acts))

    def column(self, key: str) -> Column | None:
        return next((column for column in self.columns if column.key == key), None)

    def act(self, name: str) -> BulkAct | None:
        return next((act for act in self.bulk if act.name == name), None)

    @property
    def domain(self) -> str:
        return self.name.partition(".")[0]

    @property
    def slug(self) -> str:
        return self.name.replace(".", "-")


def stored_value(row: Model, path: str) -> object:
    """Follow an ORM path through a row: relations by attribute, JSON by key. A missing step is None."""
    value: object = row
    for step in path.split("__"):
        if value is None:
            return None
        value = value.get(step) if isinstance(value, Mapping) else getattr(value, step, None)
    return value
