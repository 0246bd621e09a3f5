"""Integration matrix, and what each framework would find: met, partly, not met, no evidence."""

from typing import Final

from mainstay.domains.assurance.rules.document.words import (
    Block,
    blocks_of,
    column,
    cut,
    note,
    subheading,
    table,
    tag,
    text,
    texts_of,
    view,
    whole,
)
from mainstay.kernel.json import Json, JsonObject

STATES: Final = {
    "met": ("met", "ok"),
    "partly": ("partly", "warning"),
    "not_met": ("not met", "critical"),
    "no_evidence": ("no evidence", "unknown"),
}
CELLS: Final = {
    "connected": ("yes", "ok"),
    "possible": ("missing", "critical"),
    "not_possible": ("no way", "warning"),
    "not_needed": ("not needed", "neutral"),
    "unknown": ("unknown", "unknown"),
}
SUPPORT: Final = (
    "Mainstay supports the work on these frameworks; it does not make anybody compliant. "
    "Requirements are in our own words, with the official id."
)

_LEGEND: Final = (
    "yes: joined and heard of; silent: joined, but nothing was heard for three intervals; missing: needed and could be joined; "
    "no way: needed and cannot be joined; not needed: by a rule, which the JSON names."
)


def matrix(report: JsonObject) -> list[Block]:
    """Return systems by functions: what each is joined to, and what it misses."""
    given = view(report["matrix"])
    names = texts_of(given["columns"])
    rows = [_row(one, names) for one in blocks_of(given["rows"])]
    columns = [column("System", 4), *(column(name, 2) for name in names)]
    return [
        note("Which system is known to which function. A gap here is a thing that nobody watches, backs up, patches, logs or owns."),
        table(columns, rows, empty="No system is in scope."),
        note(_LEGEND, is_small=True),
    ]


def frameworks(report: JsonObject) -> list[Block]:
    """Return each framework with its requirements, those that need work first."""
    given = blocks_of(report["frameworks"])
    if not given:
        return [note("No framework was chosen for this audit.")]
    blocks: list[Block] = [note(SUPPORT, is_small=True)]
    for one in given:
        blocks += [subheading(f"{text(one['name'])}, {text(one['version'])}"), _counts(view(one["counts"])), _requirements(one)]
    return blocks


def _row(one: JsonObject, names: list[str]) -> list[Json]:
    cells = view(one["cells"])
    return [text(one["system"]), *(_cell(view(cells.get(name))) for name in names)]


def _cell(given: JsonObject) -> JsonObject:
    if given.get("silent"):
        return tag("silent", "warning")
    return tag(*CELLS.get(text(given.get("state")), CELLS["unknown"]))


def _counts(counts: JsonObject) -> Block:
    total = sum(whole(counts.get(state)) for state in STATES)
    items: list[Json] = [
        {"label": word, "value": str(whole(counts.get(state))), "note": f"of {total} requirements", "tone": tone}
        for state, (word, tone) in STATES.items()
    ]
    return {"type": "figures", "items": items}


def _requirements(one: JsonObject) -> Block:
    order = ("not_met", "partly", "no_evidence", "met")
    given = sorted(
        blocks_of(one["requirements"]), key=lambda each: order.index(text(each["state"])) if each["state"] in order else len(order)
    )
    rows: list[list[Json]] = [
        [
            text(each["id"]),
            text(each["title"]),
            text(each["kind"]),
            tag(*STATES.get(text(each["state"]), ("unknown", "unknown"))),
            cut(texts_of(each["checks"]), 6) or "–",
        ]
        for each in given
    ]
    return table([column("Requirement", 4), column("In our words", 7), column("Kind", 3), column("State", 3), column("Checks", 4)], rows)
