"""Frameworks as data: one JSON pack each, with the requirements' ids, our own words, and the hub controls they rest on.

Owns: reading the packs. The hub is NIST SP 800-53 revision 5: a check names controls, a requirement names controls, and so they meet.
Does not own: the text of any standard that may not be shipped; such a requirement is its id and a paraphrase of ours.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any  # one row of a pack, before it is checked


@dataclass(frozen=True, slots=True)
class Requirement:
    """`kind`: R required, A addressable, S standard, or `id` where the framework has no such classes.

    `standard` names the standard above an implementation specification; `tbc` says that the row awaits a second reading.
    """

    id: str
    kind: str
    title: str
    controls: tuple[str, ...]
    tbc: bool
    standard: str = ""


@dataclass(frozen=True, slots=True)
class Framework:
    id: str
    name: str
    version: str
    licence: str
    source: str
    requirements: tuple[Requirement, ...]


# The order in which a report shows them.
PACKS = ("hipaa", "soc2", "csf2", "nist80053", "pcidss", "ftc", "aba")


@cache
def frameworks() -> tuple[Framework, ...]:
    """Return every pack, in the order of the report."""
    return tuple(_read(name) for name in PACKS)


def _read(name: str) -> Framework:
    pack = json.loads(files(__package__).joinpath(f"{name}.json").read_text(encoding="utf-8"))
    return Framework(
        pack["id"],
        pack["name"],
        pack["version"],
        pack["licence"],
        pack["source"],
        tuple(_requirement(pack, row) for row in pack["requirements"]),
    )


def _requirement(pack: Mapping[str, Any], row: Mapping[str, Any]) -> Requirement:
    return Requirement(
        row["id"], row.get("kind", "id"), row["title"], tuple(row.get("controls", ())), row.get("tbc", pack["tbc"]), row.get("standard", "")
    )
