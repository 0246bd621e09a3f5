"""What a caller hands to the ledger and gets back: values, no tables.

Owns: the shape of a recorded entry, the mark on an erasable member, the splitting of a body into committed parts.
Invariant: the commitment of an entry covers the body in the form in which an auditor reads it, parts as `{"$c": hex}`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from mainstay.kernel.json import Json
from mainstay_trust import canonical, ledger_leaf
from mainstay_trust.canonical import JSON

PLATFORM = UUID(int=0)
"""The tenant that stands for the platform itself. A value and not null, so that row-level security needs no exception:
a transaction writes provider acts exactly when it is bound to this id, and no tenant can ever be given it."""

WHOLE = ""
"""The name of the part that is the body itself."""


@dataclass(frozen=True)
class LedgerEntry:
    """An entry as it was written; its leaf follows when the transaction has committed."""

    id: int
    tenant: UUID
    act: str
    obj: str
    at: datetime
    commitment: str


@dataclass(frozen=True)
class Erasable:
    """A member of a body that can be erased alone: the body keeps only a salted commitment to it."""

    value: JSON


BodyIn: TypeAlias = Mapping[str, "Json | Erasable"]


@dataclass(frozen=True)
class Part:
    """A piece of a body with its own salt and commitment; `plain` is what gets sealed."""

    name: str
    salt: bytes
    commitment: str
    plain: bytes


def parts_of(body: BodyIn, new_salt: Callable[[], bytes]) -> Sequence[Part]:
    """Split a body: the whole first, then each erasable member. Errors: Rejected for what canonical JSON cannot say."""
    erasable = {name: member.value for name, member in body.items() if isinstance(member, Erasable)}
    members = [_part(name, new_salt(), value) for name, value in erasable.items()]
    committed: dict[str, JSON] = {name: member for name, member in body.items() if not isinstance(member, Erasable)}  # type: ignore[misc]  # floats in it are refused by the encoder
    committed |= {part.name: {"$c": part.commitment} for part in members}
    salt = new_salt()
    whole = Part(WHOLE, salt, ledger_leaf.body_commitment(salt, committed), canonical.encode(committed))
    return [whole, *members]


def _part(name: str, salt: bytes, value: JSON) -> Part:
    if name == WHOLE:
        raise ValueError("an erasable member needs a name")
    return Part(name, salt, ledger_leaf.part_commitment(salt, value), canonical.encode(value))
