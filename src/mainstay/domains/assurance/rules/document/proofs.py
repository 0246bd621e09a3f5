"""How it was measured, what was not seen, what was taken for granted; and the hashes by which anybody can check it."""

from mainstay.domains.assurance.rules.document.answer import WITNESSES
from mainstay.domains.assurance.rules.document.words import (
    Block,
    blocks_of,
    code,
    column,
    cut,
    instant,
    items_of,
    note,
    subheading,
    table,
    text,
    texts_of,
    view,
)
from mainstay.kernel.json import Json, JsonObject

_FACTS_MAX = 400


def method(report: JsonObject) -> list[Block]:
    """Return populations, unknowns, exceptions, assumptions, and the checks that had nothing to look at."""
    given = view(report["method"])
    return [
        note(
            "Each check is a fixed rule over facts that machines reported. Missing, contradictory or old facts are unknown, never passed."
        ),
        _plain("Populations", given["populations"], "None."),
        subheading("Not known"),
        table(
            [column("Check", 2), column("Reason", 4), column("Where", 5)],
            [_unknown(one) for one in items_of(given["unknowns"])],
            empty="Every check could judge.",
        ),
        subheading("Not looked at"),
        table(
            [column("Check", 2), column("Reason", 9)],
            [[text(one["check"]), text(one["reason"]).replace("_", " ")] for one in blocks_of(report["not_looked_at"])],
        ),
        _plain("Accepted risks", given["exceptions"], "None is accepted."),
        _plain("Assumptions", given["assumptions"], "None."),
        _changes(view(report["changes"])),
    ]


def compose(report: JsonObject) -> list[Block]:
    """Return what a doubter needs."""
    given, software, witness = view(report["proofs"]), view(report["software"]), text(view(report["answer"])["witness"])
    told = blocks_of(given["facts"])
    pairs: list[Json] = [
        ["Run", code(text(report["run"]))],
        ["Ledger", code(text(given["log"]))],
        ["Size of the ledger at this audit", text(given["checkpoint_size"])],
        ["Witness level", WITNESSES.get(witness, witness)],
        ["Mainstay", text(software["mainstay"])],
        ["Catalogue of checks", code(text(software["catalogue"]))],
        ["To check it without us", code("mainstay-verify audit REPORT.json --pdf REPORT.pdf --pack PACK.zip --policy POLICY.txt")],
    ]
    rows: list[list[Json]] = [
        [text(one["device"]), text(one["group"]), instant(text(one["collected_at"])), code(text(one["sha256"])[:32] + "…")]
        for one in told[:_FACTS_MAX]
    ]
    more = len(told) - len(rows)
    return [
        note("The SHA-256 at the foot of each page is that of the report as canonical JSON (RFC 8785). The ledger holds it too."),
        {"type": "facts", "title": "", "columns": ["What", "Value"], "items": pairs},
        subheading("Facts that this report rests on"),
        table([column("Device", 3), column("Group", 3), column("Collected", 4), column("SHA-256, first half", 6)], rows),
        *([note(f"{more:,} more are in the JSON.", is_small=True)] if more > 0 else []),
    ]


def _plain(title: str, given: Json, empty: str) -> Block:
    return {
        "type": "list",
        "title": title,
        "ordered": False,
        "items": [{"text": _sentence(each)} for each in items_of(given)],
        "empty": empty,
    }


def _sentence(given: Json) -> str:
    """An exception or assumption is a sentence, or an object with its parts."""
    return "; ".join(f"{key.replace('_', ' ')}: {text(value)}" for key, value in sorted(view(given).items()) if text(value)) or text(given)


def _unknown(given: Json) -> list[Json]:
    one = view(given)
    if not one:
        return ["", text(given), ""]
    return [
        text(one.get("check")),
        text(one.get("reason")).replace("_", " "),
        cut(texts_of(one.get("subjects"))) or text(one.get("device", one.get("name"))),
    ]


def _changes(given: JsonObject) -> Block:
    if not given.get("against"):
        return note("This is the first audit of this scope, so nothing can have changed.", is_small=True)
    counts = ", ".join(f"{len(items_of(given[name]))} {name}" for name in ("new", "fixed", "returned", "changed"))
    return note(f"Against run {text(given['against'])}: {counts}.", is_small=True)
