"""Sealing: how a value is encrypted for the one place in the database where it belongs.

Owns: the protocol that stores receive, and the name of a place. Does not own: keys, or the cipher (core.ledger.sealing).
Invariant: a sealed value opens only in its own row, column, table and tenant; copied elsewhere it is refused.
"""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True)
class Place:
    """Where a sealed value stands. `row` is the id of its row, or another value that never changes."""

    table: str
    column: str
    row: str


class Sealer(Protocol):
    """What a store may ask of the keeper of data keys."""

    def seal(self, tenant: UUID, place: Place, plain: bytes) -> bytes:
        """Return the sealed bytes. Runs in the caller's transaction, bound to the tenant."""
        ...

    def open(self, tenant: UUID, place: Place, sealed: bytes) -> bytes:
        """Return the plain bytes. Errors: Invalid("sealing.not_of_this_place") when the value was moved or changed."""
        ...
