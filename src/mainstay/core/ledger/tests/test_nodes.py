"""Tiles of a growing log, against a tree that is held in memory."""

import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.core.ledger.nodes import FullTile, completed_tiles, reader
from mainstay_trust.merkle import Tree, consistency_proof, inclusion_proof, verify_consistency, verify_inclusion
from mainstay_trust.tiles import Tile, tile_bytes


class Store:
    """Leaf hashes and full tiles as the tables hold them."""

    def __init__(self) -> None:
        self.hashes: list[bytes] = []
        self.tiles: dict[tuple[int, int], FullTile] = {}

    def stored(self, level: int, begin: int, end: int) -> list[bytes]:
        if level == 0:
            return self.hashes[begin:end]
        return [self.tiles[level - 1, n].root for n in range(begin, end)]

    def append(self, nodes: list[bytes]) -> None:
        start = len(self.hashes)
        new = list(completed_tiles(start, nodes, self.stored))
        self.hashes += nodes
        for tile in new:
            assert (tile.level, tile.n) not in self.tiles
            self.tiles[tile.level, tile.n] = tile


def leaf_hashes(begin: int, count: int) -> list[bytes]:
    return [hashlib.sha256(str(number).encode()).digest() for number in range(begin, begin + count)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 700), min_size=1, max_size=6), st.data())
def test_batches_of_any_size_give_the_tree_that_one_leaf_at_a_time_gives(batches: list[int], data: st.DataObject) -> None:
    store, tree = Store(), Tree()
    for count in batches:
        nodes = leaf_hashes(tree.size, count)
        store.append(nodes)
        for node in nodes:
            tree.append(node)

    read = reader(tree.size, store.stored)
    old = data.draw(st.integers(1, tree.size))
    index = data.draw(st.integers(0, old - 1))

    assert sorted(store.tiles) == [(0, n) for n in range(tree.size // 256)]
    assert verify_inclusion(store.hashes[index], index, old, inclusion_proof(index, old, read), tree.root(old))
    assert verify_consistency(old, tree.size, tree.root(old), tree.root(), consistency_proof(old, tree.size, read))


def test_a_log_of_70000_leaves_has_273_full_tiles_and_one_above_them() -> None:
    store, tree = Store(), Tree(leaf_hashes(0, 70_000))
    for begin in range(0, 70_000, 4096):
        store.append(leaf_hashes(begin, min(4096, 70_000 - begin)))

    assert len([key for key in store.tiles if key[0] == 0]) == 273
    assert [key for key in store.tiles if key[0] == 1] == [(1, 0)]
    assert store.tiles[1, 0].hashes == tile_bytes(Tile(1, 0), tree.read)
    assert inclusion_proof(69_999, 70_000, reader(70_000, store.stored)) == inclusion_proof(69_999, 70_000, tree.read)
    assert inclusion_proof(3, 70_000, reader(70_000, store.stored)) == inclusion_proof(3, 70_000, tree.read)
