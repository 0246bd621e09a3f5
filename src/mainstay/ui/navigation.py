"""The left column: the same nine words in the same order, of which those with a page are shown.

Owns: the words, their order, the names of the addresses behind them. Does not own: the pages.
Source: experience page, section 2.
"""

from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse


@dataclass(frozen=True)
class Place:
    """A page of the left column by the name of its address, and what belongs to it though it stands elsewhere."""

    label: str
    name: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Word:
    """One of the nine words, its key after `g`, and the pages below it."""

    label: str
    icon: str
    key: str
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Link:
    label: str
    icon: str
    key: str
    url: str
    is_current: bool
    below: tuple["Link", ...] = ()


NINE = (
    Word("Today", "today", "t", (Place("Today", "console:today"),)),
    Word(
        "Systems", "systems", "s", (Place("Devices", "estate:devices"), Place("Updates", "estate:updates"), Place("Logs", "telemetry:logs"))
    ),
    Word("Alerts", "bell", "a", (Place("Alerts", "alerting:alerts"), Place("Rules", "alerting:rules"))),
    Word("Help desk", "desk", "h", (Place("Incidents", "desk:incidents"),)),
    Word(
        "Automation",
        "automation",
        "u",
        (Place("Runs", "automation:runs"), Place("Runbooks", "automation:runbooks"), Place("Approvals", "automation:approvals")),
    ),
    Word("Continuity", "continuity", "c", (Place("Backups", "continuity:backups"),)),
    Word("Security", "security", "e", (Place("Cases", "security:cases"),)),
    Word(
        "Assurance",
        "assurance",
        "r",
        (
            Place("System Audit", "assurance:audit", ("assurance:runs", "assurance:systems")),
            Place("Findings", "assurance:findings"),
            Place("Ledger", "console:ledger"),
        ),
    ),
    Word("Business", "business", "b", (Place("Contracts", "business:contracts"),)),
)
SETTINGS = Word(
    "Settings",
    "gear",
    "",
    (
        Place("Overview", "console:settings"),
        Place("Trust", "console:trust"),
        Place("People", "console:people"),
        Place("Tokens", "console:tokens"),
        Place("Health", "console:about"),
        Place("API", "console:api-docs"),
    ),
)

# Other pages stand below these addresses, so only the address itself means them.
_PREFIX_OF_OTHERS = ("console:today", "console:settings")


def words(request: HttpRequest) -> list[Link]:
    """Return the words whose first page exists, with the pages below the current one."""
    return [link for link in (_link(word, request.path) for word in (*NINE, SETTINGS)) if link]


def _link(word: Word, path: str) -> Link | None:
    below = [Link(place.label, "", "", url, _is_on(place, url, path)) for place in word.places for url in [address(place.name)] if url]
    if not below:
        return None
    current = any(link.is_current for link in below)
    return Link(word.label, word.icon, word.key, below[0].url, current, tuple(below) if current and len(below) > 1 else ())


def _is_on(place: Place, url: str, path: str) -> bool:
    if place.name in _PREFIX_OF_OTHERS:
        return path == url
    return any(path.startswith(one) for one in (url, *filter(None, map(address, place.also))))


def address(name: str) -> str:
    """Return the address of a name, or nothing while no part of the product answers there."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""
