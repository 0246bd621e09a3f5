"""The audit's report as a document: what each number means, in the order in which a reader asks.

Owns: words, order and emphasis (security page, section 5, rule 13). Does not own: any figure (the report), page and PDF (`ui.documents`).
Invariant: a pure function of the report; the same report gives the same document, and the document names the report by its SHA-256.
"""

from collections.abc import Callable

from mainstay.domains.assurance.rules.document import answer, exposure, findings, infrastructure, plan, proofs
from mainstay.domains.assurance.rules.document.words import Block, blocks_of, day, instant, text, view
from mainstay.kernel.json import JsonObject

# Anchor, heading, composer: the order of the report.
PARTS: tuple[tuple[str, str, Callable[[JsonObject], list[Block]]], ...] = (
    ("answer", "The answer", answer.compose),
    ("map", "Infrastructure", infrastructure.compose),
    ("areas", "Areas", answer.areas),
    ("findings", "Findings", findings.compose),
    ("matrix", "Integration", exposure.matrix),
    ("exposure", "Compliance exposure", exposure.frameworks),
    ("automation", "What to automate", plan.automation),
    ("roadmap", "Roadmap", plan.roadmap),
    ("health", "Health check", plan.health),
    ("method", "Method", proofs.method),
    ("proofs", "Proofs", proofs.compose),
)

# These begin a page of paper; the others follow on.
_FRESH_PAGES = ("map", "areas", "matrix", "roadmap", "method")


def compose(report: JsonObject, *, sha256: str) -> JsonObject:
    """Return the whole document. `sha256` is the hash of the report's canonical bytes, printed on every page."""
    blocks: list[Block] = []
    for anchor, title, part in PARTS:
        blocks += [_heading(anchor, title), *part(report)]
    return {**_head(report, sha256), "blocks": blocks}


def compose_part(report: JsonObject, anchor: str) -> list[Block]:
    """Return the blocks of one part, for a page that shows one at a time. Errors: KeyError for no such part."""
    return {name: part for name, _, part in PARTS}[anchor](report)


def finding_block(report: JsonObject, key: str) -> Block | None:
    """Return the block of one finding by its id in the report."""
    found = next((view(one) for one in blocks_of(report["findings"]) if one["id"] == key), None)
    return findings.block(found) if found else None


def _heading(anchor: str, title: str) -> Block:
    return {"type": "heading", "level": 1, "id": anchor, "text": title, "fresh_page": anchor in _FRESH_PAGES}


def _head(report: JsonObject, sha256: str) -> JsonObject:
    scope, window, software = view(report["scope"]), view(report["window"]), view(report["software"])
    as_of = text(report["as_of"])
    return {
        "v": 1,
        "kind": "system_audit",
        "title": f"System Audit: {text(scope['name'])}",
        "subtitle": f"{text(scope['kind']).capitalize()} audit as of {instant(as_of)}, looking back to {day(text(window['from']))}",
        "author": "Mainstay",
        # By these an auditor's tool finds the report that a PDF was made from.
        "keywords": ["System Audit", f"run:{text(report['run'])}", f"sha256:{sha256}"],
        "lang": "en",
        "region": "GB",
        "paper": "a4",
        "date": [int(part) for part in as_of[:10].split("-")],
        "as_of": instant(as_of),
        "demo": report["demo"],
        "sha256": sha256,
        "colophon": [["Run", text(report["run"])], ["Mainstay", text(software["mainstay"])], ["Catalogue", text(software["catalogue"])]],
    }
