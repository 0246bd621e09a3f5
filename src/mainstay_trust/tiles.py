"""Tiles and entry bundles: the plain files of which a log consists (C2SP tlog-tiles).

Owns: names, widths, splitting a tree into tiles, reading nodes back out of them, bundles of length-prefixed leaves.
Does not own: where tiles are stored; `read_from_tiles` asks for bytes by name.
Invariant: every node of a tree of any size can be computed from its tiles alone.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from mainstay_trust.errors import Rejected
from mainstay_trust.merkle import Frontier, Read

TILE_HEIGHT = 8
TILE_WIDTH = 256
HASH_BYTES = 32
LEAF_BYTES_MAX = 65535


@dataclass(frozen=True, order=True)
class Tile:
    """Tile `index` of a tile level, holding `width` hashes (256 = full)."""

    level: int
    index: int
    width: int = TILE_WIDTH

    @property
    def name(self) -> str:
        return f"tile/{self.level}/{index_path(self.index)}{_partial(self.width)}"

    @property
    def entries_name(self) -> str:
        return f"tile/entries/{index_path(self.index)}{_partial(self.width)}"


def index_path(index: int) -> str:
    """Return a tile number as groups of three digits, all but the last marked with x: 1234067 is x001/x234/067."""
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.append(f"x{index % 1000:03d}")
    return "/".join(reversed(groups))


def tiles_of(size: int) -> Iterator[Tile]:
    """Yield every tile of a tree, level by level, the partial one of a level last."""
    level, nodes = 0, size
    while nodes:
        yield from (Tile(level, index) for index in range(nodes // TILE_WIDTH))
        if nodes % TILE_WIDTH:
            yield Tile(level, nodes // TILE_WIDTH, nodes % TILE_WIDTH)
        level, nodes = level + 1, nodes // TILE_WIDTH


def tile_bytes(tile: Tile, read: Read) -> bytes:
    """Return the hashes of a tile, given a way to read perfect subtrees."""
    first = tile.index * TILE_WIDTH
    return b"".join(read(tile.level * TILE_HEIGHT, first + offset) for offset in range(tile.width))


def read_from_tiles(size: int, fetch: Callable[[Tile], bytes]) -> Read:
    """Return a reader of perfect subtrees of a tree of `size` leaves over its stored tiles."""

    def read(level: int, index: int) -> bytes:
        tile_level, inner = divmod(level, TILE_HEIGHT)
        first, count = index << inner, 1 << inner
        tile = _tile_with(tile_level, first // TILE_WIDTH, size)
        data = fetch(tile)
        offset = first % TILE_WIDTH * HASH_BYTES
        return _folded(data[offset : offset + count * HASH_BYTES])

    return read


def bundle(leaves: Iterable[bytes]) -> bytes:
    """Return leaves in bundle form: each preceded by its length as uint16 big-endian."""
    parts = []
    for leaf in leaves:
        if len(leaf) > LEAF_BYTES_MAX:
            raise Rejected("bad_bundle", "a leaf of a bundle has at most 65,535 bytes")
        parts.append(len(leaf).to_bytes(2, "big") + leaf)
    return b"".join(parts)


def unbundle(data: bytes) -> Iterator[bytes]:
    """Yield the leaves of a bundle; a cut one is Rejected("bad_bundle")."""
    position = 0
    while position < len(data):
        start = position + 2
        position = start + int.from_bytes(data[position:start], "big")
        if position > len(data) or start > len(data):
            raise Rejected("bad_bundle", "the bundle is cut off")
        yield data[start:position]


def _partial(width: int) -> str:
    return "" if width == TILE_WIDTH else f".p/{width}"


def _tile_with(level: int, index: int, size: int) -> Tile:
    nodes = size >> (level * TILE_HEIGHT)
    return Tile(level, index, min(TILE_WIDTH, nodes - index * TILE_WIDTH))


def _folded(hashes: bytes) -> bytes:
    frontier = Frontier()
    for start in range(0, len(hashes), HASH_BYTES):
        frontier.append(hashes[start : start + HASH_BYTES])
    return frontier.root()
