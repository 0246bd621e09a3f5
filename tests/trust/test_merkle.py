"""Proofs: every honest one holds, no other does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay_trust import merkle, tiles
from mainstay_trust.errors import Rejected
from mainstay_verify import mainstay_verify as verifier

LEAVES = [merkle.leaf_hash(b"leaf %d" % number) for number in range(700)]
TREE = merkle.Tree(LEAVES)
SIZES = st.integers(1, len(LEAVES))


def flipped(data, bit):
    return bytes([data[0] ^ 1 << bit % 8]) + data[1:]


@given(SIZES, st.data())
def test_inclusion_holds_for_its_own_place_only(size, data):
    index = data.draw(st.integers(0, size - 1))
    proof, root = merkle.inclusion_proof(index, size, TREE.read), TREE.root(size)
    other = data.draw(st.integers(0, size - 1).filter(lambda number: number != index)) if size > 1 else None

    assert merkle.verify_inclusion(LEAVES[index], index, size, proof, root)
    assert not merkle.verify_inclusion(LEAVES[index], index, size, [*proof, root], root)
    assert not merkle.verify_inclusion(LEAVES[index], index, size, proof, flipped(root, index))
    if other is not None:
        assert not merkle.verify_inclusion(LEAVES[other], index, size, proof, root)
        assert not merkle.verify_inclusion(LEAVES[index], other, size, proof, root)
        assert not merkle.verify_inclusion(LEAVES[index], index, size, proof[:-1], root)


@given(SIZES, SIZES)
def test_consistency_holds_for_its_own_two_trees_only(first, second):
    old, new = sorted((first, second))
    proof = merkle.consistency_proof(old, new, TREE.read)

    assert merkle.verify_consistency(old, new, TREE.root(old), TREE.root(new), proof)
    assert not merkle.verify_consistency(old, new, TREE.root(old), flipped(TREE.root(new), old), proof)
    assert not merkle.verify_consistency(old, new, flipped(TREE.root(old), new), TREE.root(new), proof)
    assert not merkle.verify_consistency(old, new, TREE.root(old), TREE.root(new), [*proof, LEAVES[0]])
    if old != new:
        assert not merkle.verify_consistency(new, old, TREE.root(new), TREE.root(old), proof)
        assert not merkle.verify_consistency(old, new, TREE.root(old), TREE.root(new), proof[:-1] if proof else [LEAVES[0]])


@given(SIZES, st.data())
def test_a_changed_hash_breaks_a_proof(size, data):
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(index, size, TREE.read)
    if not proof:
        return
    at = data.draw(st.integers(0, len(proof) - 1))
    changed = [*proof[:at], flipped(proof[at], at), *proof[at + 1 :]]

    assert not merkle.verify_inclusion(LEAVES[index], index, size, changed, TREE.root(size))


def test_consistency_from_nothing_proves_nothing():
    assert not merkle.verify_consistency(0, 5, merkle.EMPTY_ROOT, TREE.root(5), [])


@given(st.integers(0, len(LEAVES)))
def test_a_frontier_remembers_all_that_appending_needs(size):
    frontier = merkle.Frontier(size, merkle.frontier_hashes(size, TREE.read))

    assert frontier.root() == TREE.root(size)
    for hashed in LEAVES[size : size + 5]:
        frontier.append(hashed)
    assert (frontier.size, frontier.root()) == (min(size + 5, 700), TREE.root(min(size + 5, 700)))


@given(st.integers(0, 600), st.lists(st.integers(1, 300), max_size=4))
def test_the_verifiers_block_wise_frontier_reaches_the_same_roots(begin, runs):
    frontier = verifier.Frontier(begin, merkle.frontier_hashes(begin, TREE.read))

    for run in runs:
        frontier.extend(LEAVES[frontier.size : frontier.size + run])
        assert frontier.root() == TREE.root(frontier.size)


def test_a_frontier_with_the_wrong_number_of_hashes_is_refused():
    with pytest.raises(ValueError, match="one hash per set bit"):
        merkle.Frontier(3, [LEAVES[0]])


@pytest.mark.parametrize(("index", "path"), [(0, "000"), (999, "999"), (1000, "x001/000"), (1234067, "x001/x234/067")])
def test_tile_numbers_are_grouped_by_threes(index, path):
    assert tiles.index_path(index) == path
    assert verifier._tile_path(index, 256) == path


def summary(size):
    found = {}
    for tile in tiles.tiles_of(size):
        full, partial = found.get(tile.level, (0, 0))
        found[tile.level] = (full + (tile.width == 256), partial + (tile.width if tile.width < 256 else 0))
    return found


@pytest.mark.parametrize(
    ("size", "expected"),
    [(0, {}), (1, {0: (0, 1)}), (256, {0: (1, 0), 1: (0, 1)}), (70_000, {0: (273, 112), 1: (1, 17), 2: (0, 1)})],
)
def test_a_tree_has_these_tiles(size, expected):
    assert summary(size) == expected


@given(SIZES)
def test_every_root_and_proof_can_be_rebuilt_from_tiles_alone(size):
    stored = {tile: tiles.tile_bytes(tile, TREE.read) for tile in tiles.tiles_of(size)}
    read = tiles.read_from_tiles(size, stored.__getitem__)

    assert merkle.root(size, read) == TREE.root(size)
    assert merkle.inclusion_proof(size // 2, size, read) == merkle.inclusion_proof(size // 2, size, TREE.read)
    assert merkle.consistency_proof(size // 2 + 1 if size > 1 else 1, size, read) == merkle.consistency_proof(
        size // 2 + 1 if size > 1 else 1, size, TREE.read
    )


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_a_bundle_is_read_back(leaves):
    assert list(tiles.unbundle(tiles.bundle(leaves))) == leaves


@pytest.mark.parametrize("data", [b"\x00", b"\x00\x02a", b"\x00\x00\x01"])
def test_a_cut_bundle_is_refused(data):
    with pytest.raises(Rejected, match="bad_bundle"):
        list(tiles.unbundle(data))


def test_a_leaf_too_long_for_a_bundle_is_refused():
    with pytest.raises(Rejected, match="bad_bundle"):
        tiles.bundle([bytes(65_536)])
