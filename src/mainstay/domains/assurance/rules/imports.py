"""Systems without an agent, from a CSV that a person wrote: read, judged row by row, and taken whole or not at all.

Owns: the columns and what is wrong with a row. Does not own: storing (services). Invariant: a text with one bad row gives no rows
to store, and every bad row says its line, its column and why.
"""

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mainstay.domains.assurance.rules.judged import DataClass, Exposure
from mainstay.domains.assurance.rules.matrix import Column, State

ROWS_MAX = 5_000
TEXT_MAX = 2_000_000
NAME_MAX = 120
TIERS = ("", "1", "2", "3", "4")
REQUIRED = ("name",)
FIELDS = ("name", "kind", "owner", "data_class", "exposure", "tier", "tools", "yearly_cost", *Column)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong in a line of the file (the header is line 1)."""

    line: int
    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class Row:
    """A system as its row says. `cells` maps a column of the integration matrix to a state."""

    line: int
    name: str
    kind: str
    owner: str
    data_class: str
    exposure: str
    tier: int | None
    tools: Mapping[str, tuple[str, ...]]
    yearly_cost: int | None
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Preview:
    """What a file holds. `digest` names exactly this text, so that what is confirmed is what was shown."""

    digest: str
    rows: tuple[Row, ...] = ()
    faults: tuple[Fault, ...] = field(default=())


def read_systems(text: str) -> Preview:
    """Read a CSV of systems. Nothing is guessed: an unknown column, a double name or a word outside its list is a fault."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    if len(text) > TEXT_MAX:
        return Preview(digest, faults=(Fault(1, "", f"The file is larger than {TEXT_MAX:,} characters."),))
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), restkey="\0more", strict=True)
    try:
        header = [(name or "").strip().lower() for name in reader.fieldnames or ()]
        faults = _header_faults(header)
        if faults:
            return Preview(digest, faults=tuple(faults))
        reader.fieldnames = header
        return _judge(digest, [(reader.line_num, raw) for raw in reader])
    except csv.Error as problem:
        return Preview(digest, faults=(Fault(reader.line_num, "", f"This is not CSV: {problem}."),))


def _header_faults(header: Sequence[str]) -> list[Fault]:
    missing = [Fault(1, name, "The column is missing.") for name in REQUIRED if name not in header]
    strange = [Fault(1, name, f"There is no such column; known are {', '.join(FIELDS)}.") for name in header if name not in FIELDS]
    double = [Fault(1, name, "The column stands twice.") for name in sorted({one for one in header if header.count(one) > 1})]
    return missing + strange + double


def _judge(digest: str, lines: Sequence[tuple[int, Mapping[str, str]]]) -> Preview:
    if len(lines) > ROWS_MAX:
        return Preview(digest, faults=(Fault(ROWS_MAX + 2, "", f"At most {ROWS_MAX:,} rows are taken at once."),))
    first_line: dict[str, int] = {}
    rows, faults = [], []
    for line, raw in lines:
        values = {name: (value or "").strip() for name, value in raw.items() if name != "\0more"}
        wrong = [*_row_faults(line, values), *([Fault(line, "", "The row has more fields than the header.")] if "\0more" in raw else [])]
        before = first_line.setdefault(values["name"].casefold(), line)
        if before != line:
            wrong.append(Fault(line, "name", f"The name stands in line {before} already."))
        faults += wrong
        if not wrong:
            rows.append(_row(line, values))
    return Preview(digest, tuple(rows), tuple(faults))


def _row_faults(line: int, values: Mapping[str, str]) -> list[Fault]:
    words: dict[str, tuple[str, ...]] = {"data_class": tuple(DataClass), "exposure": tuple(Exposure)}
    words |= {str(column): tuple(State) for column in Column}
    found = [
        Fault(line, name, f"{values[name][:40]!r} is not one of {', '.join(allowed)}.")
        for name, allowed in words.items()
        if values.get(name) and values[name] not in allowed
    ]
    if not values["name"] or len(values["name"]) > NAME_MAX:
        found.append(Fault(line, "name", f"A name has 1 to {NAME_MAX} characters."))
    if values.get("tier", "") not in TIERS:
        found.append(Fault(line, "tier", "A tier is 1, 2, 3 or 4."))
    if values.get("yearly_cost") and not (values["yearly_cost"].isascii() and values["yearly_cost"].isdigit()):
        found.append(Fault(line, "yearly_cost", "A cost is a whole number of minor units (cents)."))
    if values.get("tools") and not all(":" in one for one in values["tools"].split(";")):
        found.append(Fault(line, "tools", "Tools are written function:name, separated by semicolons."))
    return found


def _row(line: int, values: Mapping[str, str]) -> Row:
    return Row(
        line,
        values["name"],
        values.get("kind", "")[:60],
        values.get("owner", "")[:120],
        values.get("data_class") or DataClass.OTHER,
        values.get("exposure") or Exposure.INTERNAL,
        int(values["tier"]) if values.get("tier") else None,
        _tools(values.get("tools", "")),
        int(values["yearly_cost"]) if values.get("yearly_cost") else None,
        {column: values[column] for column in Column if values.get(column)},
    )


def _tools(text: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for one in filter(None, text.split(";")):
        function, _, name = one.partition(":")
        found.setdefault(function.strip().lower(), []).append(name.strip())
    return {function: tuple(names) for function, names in found.items()}
