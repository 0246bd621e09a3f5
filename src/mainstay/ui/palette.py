"""What the palette finds: the shape of a hit, and the order of hits.

Owns: ranking by exactness. Does not own: what can be found (each domain searches its own records, already limited by policy).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

PER_KIND_MAX = 8


@dataclass(frozen=True)
class Found:
    """One hit: where it leads and of which kind it is."""

    title: str
    kind: str
    url: str
    hint: str = ""


ALL = frozenset({"page", "record", "ticket", "person", "act"})
# A first character narrows what is looked for.
MARKS: Mapping[str, frozenset[str]] = {
    ">": frozenset({"act"}),
    "#": frozenset({"ticket"}),
    "@": frozenset({"person"}),
    "/": frozenset({"page"}),
}


def narrowed(text: str) -> tuple[str, frozenset[str]]:
    """Return the words to look for and the kinds that are meant: `>` acts, `#` tickets, `@` people, `/` pages, else everything."""
    kinds = MARKS.get(text[:1], ALL)
    return (text[1:].strip() if kinds is not ALL else text.strip()), kinds


def ranked(text: str, hits: Iterable[Found]) -> list[Found]:
    """Return hits by exactness: the name itself, a prefix, the start of a word, anything else; at most 8 of a kind."""
    wanted = text.casefold()
    kept: dict[str, int] = {}
    result: list[Found] = []
    for hit in sorted(hits, key=lambda hit: (_distance(wanted, hit.title.casefold()), hit.title.casefold(), hit.url)):
        kept[hit.kind] = kept.get(hit.kind, 0) + 1
        if kept[hit.kind] <= PER_KIND_MAX:
            result.append(hit)
    return result


def _distance(wanted: str, title: str) -> int:
    if title == wanted:
        return 0
    if title.startswith(wanted):
        return 1
    return 2 if f" {wanted}" in title or f"-{wanted}" in title else 3
