"""The form of an act: `domain.noun.past`, and the object it names.

Owns: the spelling. Does not own: a list of acts; the ledger knows nobody, so an architecture test collects the acts
from the calls in the source and holds them against the documentation.
Invariant: act and object id are machine words, so that nothing about a person can stand in a leaf.
"""

import re
from uuid import UUID

from mainstay.kernel.errors import Invalid

_ACT = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){2,}")
OBJECT_ID_CHARS_MAX = 64
_OBJECT_ID = re.compile(rf"[A-Za-z0-9_.\-]{{1,{OBJECT_ID_CHARS_MAX}}}")

EXTRA_MEMBERS = {
    "ledger.entry.erased": frozenset({"ref", "range"}),
    "ledger.entry.expired": frozenset({"range"}),
    "ledger.checkpoint.anchored": frozenset({"size", "root"}),
    "ledger.log.succeeded": frozenset({"prev", "size", "root"}),
    "ledger.key.rotated": frozenset(),
}
"""The optional members of a leaf, by the acts that may carry them. `ref` alone is open to every act: it names an earlier leaf."""


def object_of(act: str, object_id: UUID | str | int) -> str:
    """Return `domain.noun:id` for an act. Errors: Invalid("ledger.entry_invalid") when act or id has another form."""
    identity = str(object_id)
    if not _ACT.fullmatch(act) or not _OBJECT_ID.fullmatch(identity):
        raise Invalid("ledger.entry_invalid", f"An act is written domain.noun.past and its object by a random id, not {act[:60]!r}.")
    return f"{act.rpartition('.')[0]}:{identity}"


def check_extra(act: str, members: frozenset[str]) -> None:
    """Refuse optional members that the act may not carry."""
    foreign = members - EXTRA_MEMBERS.get(act, frozenset()) - {"ref"}
    if foreign:
        raise Invalid("ledger.entry_invalid", f"A leaf of {act} carries no {', '.join(sorted(foreign))}.")
