"""Node hashes of a log: full tiles as stored, the growing right edge computed from what lies below it.

Owns: which tiles a batch of leaves completes, and the bytes of any tile of any tree size up to the present one.
Does not own: how tiles are named and read (mainstay_trust.tiles), when they are written (`sequencer`).
Invariant: a tile is stored once it is full and never before, so no stored node ever changes; a partial tile of level 0
is a run of leaf hashes, of a higher level a run of roots of full tiles below.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from mainstay_trust.merkle import Frontier, Read
from mainstay_trust.tiles import TILE_WIDTH, Tile, read_from_tiles

Stored: TypeAlias = Callable[[int, int, int], Sequence[bytes]]
"""stored(level, begin, end): node hashes of a tile level that are already in the database."""


class Cursor(Protocol):
    """A database cursor, Django's or psycopg's own: the sequencer and the readers use different ones."""

    def execute(self, query: str, params: Sequence[int], /) -> object: ...

    def fetchall(self) -> Sequence[Sequence[bytes]]: ...


def stored_nodes(cursor: Cursor, log_id: int, level: int, begin: int, end: int) -> list[bytes]:
    """Return node hashes [begin, end) of a tile level: leaf hashes, or the roots of the full tiles below."""
    if level == 0:
        cursor.execute("SELECT hash FROM ledger_leaf WHERE log_id = %s AND seq >= %s AND seq < %s ORDER BY seq", [log_id, begin, end])
    else:
        cursor.execute(
            "SELECT root FROM ledger_tile WHERE log_id = %s AND level = %s AND n >= %s AND n < %s ORDER BY n",
            [log_id, level - 1, begin, end],
        )
    return [bytes(row[0]) for row in cursor.fetchall()]


@dataclass(frozen=True)
class FullTile:
    level: int
    n: int
    hashes: bytes
    root: bytes


def completed_tiles(start: int, nodes: Sequence[bytes], stored: Stored, level: int = 0) -> Iterator[FullTile]:
    """Yield the tiles that become full when `nodes` are appended at position `start` of a tile level."""
    first, end = start // TILE_WIDTH, (start + len(nodes)) // TILE_WIDTH
    if first == end:
        return
    run = [*stored(level, first * TILE_WIDTH, start), *nodes]
    full = [_full_tile(level, n, run[(n - first) * TILE_WIDTH : (n - first + 1) * TILE_WIDTH]) for n in range(first, end)]
    yield from full
    yield from completed_tiles(first, [tile.root for tile in full], stored, level + 1)


def reader(size: int, stored: Stored) -> Read:
    """Return a reader of the perfect subtrees of the first `size` leaves; each tile is fetched once."""
    held: dict[Tile, bytes] = {}

    def fetch(tile: Tile) -> bytes:
        if tile not in held:
            begin = tile.index * TILE_WIDTH
            held[tile] = b"".join(stored(tile.level, begin, begin + tile.width))
        return held[tile]

    return read_from_tiles(size, fetch)


def _full_tile(level: int, n: int, hashes: Sequence[bytes]) -> FullTile:
    edge = Frontier()
    for node in hashes:
        edge.append(node)
    return FullTile(level, n, b"".join(hashes), edge.root())
