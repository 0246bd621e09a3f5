"""How it was measured, what was not seen, what was taken for granted; and the hashes by which anybody can check it."""

from mainstay.domains.assurance.rules.document.answer import WITNESSES
from mainstay.domains.assurance.rules.document.words import (
    Block,
    blocks_of,
    code,
    column,
    day,
    instant,
    items_of,
    note,
    subheading,
    table,
    text,
    view,
    whole,
)
from mainstay.kernel.json import Json, JsonObject

_FACTS_MAX = 200
_UNSEEN_COLUMNS = [column("Check", 2), column("Reason", 7), column("Subjects", 2, align="end")]
_POPULATIONS = {
    "applicable": "pairs of check and subject that apply",
    "checks": "rules in the catalogue",
    "devices": "with an agent, in scope",
    "judged": "of these pairs were judged",
    "systems": "in the integration matrix",
}


def method(report: JsonObject) -> list[Block]:
    """Return populations, unknowns, exceptions, assumptions, and the checks that had nothing to look at."""
    given = view(report["method"])
    return [
        note(
            "Each check is a fixed rule over facts that machines reported. Missing, contradictory or old facts are unknown, never passed."
        ),
        {"type": "figures", "items": [_population(name, value) for name, value in sorted(view(given["populations"]).items())]},
        subheading("Not looked at, and why"),
        table(_UNSEEN_COLUMNS, _unseen(report), empty="Every check could judge."),
        _plain("Accepted risks", [_exception(each) for each in blocks_of(given["exceptions"])], "None is accepted."),
        _plain("Assumptions", given["assumptions"], "None."),
        _changes(view(report["changes"])),
    ]


def compose(report: JsonObject) -> list[Block]:
    """Return what a doubter needs."""
    given, software, witness = view(report["proofs"]), view(report["software"]), text(view(report["answer"])["witness"])
    told = blocks_of(given["facts"])
    names = {text(one["id"]): text(one["name"]) for one in blocks_of(view(report["map"])["devices"])}
    pairs: list[Json] = [
        ["Run", code(text(report["run"]))],
        ["Ledger", code(text(given["log"]))],
        ["Witness level", WITNESSES.get(witness, witness)],
        ["Mainstay", text(software["mainstay"])],
        ["Catalogue of checks", code(text(software["catalogue"]))],
        ["To check it without us", code("mainstay-verify audit REPORT.json --pdf REPORT.pdf --pack PACK.zip --policy POLICY.txt")],
    ]
    rows = [_fact(one, names) for one in told[:_FACTS_MAX]]
    more = len(told) - len(rows)
    return [
        note("The SHA-256 at the foot of each page is that of the report as canonical JSON (RFC 8785). The ledger holds it too."),
        {"type": "facts", "title": "", "columns": ["What", "Value"], "items": pairs},
        subheading("Facts that this report rests on"),
        table([column("Device", 3), column("Group", 3), column("Collected", 4), column("SHA-256, first half", 6)], rows),
        *([note(f"{more:,} more are in the JSON.", is_small=True)] if more > 0 else []),
    ]


def _fact(one: JsonObject, names: dict[str, str]) -> list[Json]:
    device, digest = text(one["device"]), text(one["sha256"])
    return [names.get(device, device), text(one["group"]), instant(text(one["collected_at"])), code(f"{digest[:32]}…")]


def _plain(title: str, given: Json, empty: str) -> Block:
    return {
        "type": "list",
        "title": title,
        "ordered": False,
        "items": [{"text": text(each)} for each in items_of(given)],
        "empty": empty,
    }


def _population(name: str, value: Json) -> JsonObject:
    return {"label": name, "value": f"{whole(value):,}", "note": _POPULATIONS.get(name, ""), "tone": "info"}


def _unseen(report: JsonObject) -> list[list[Json]]:
    """Return what was not judged. What does not apply at all has no subject; what is unknown has."""
    given = sorted(blocks_of(report["not_looked_at"]), key=lambda one: (not whole(one["subjects"]), text(one["check"])))
    return [[text(one["check"]), text(one["reason"]).replace("_", " "), text(one["subjects"] or "none in scope")] for one in given]


def _exception(one: JsonObject) -> str:
    return f"{text(one['finding'])}: {text(one['reason']).rstrip('.')}. Taken by {text(one['by_name'])} until {day(text(one['until']))}."


def _changes(given: JsonObject) -> Block:
    if not given.get("against"):
        return note("This is the first audit of this scope, so nothing can have changed.", is_small=True)
    counts = ", ".join(f"{len(items_of(given[name]))} {name}" for name in ("new", "fixed", "returned", "changed"))
    return note(f"Against run {text(given['against'])}: {counts}.", is_small=True)
