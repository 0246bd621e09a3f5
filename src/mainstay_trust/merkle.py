"""RFC 6962 Merkle trees: hashes, roots, inclusion and consistency proofs.

Owns: the arithmetic of trees and the verification of proofs.
Does not own: where node hashes are kept (`Read` looks one up), tiles and their names (`tiles`), what a leaf says.
Invariant: a proof verifies for exactly one (index, size, root); consistency from size 0 proves nothing and is refused.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

Read: TypeAlias = Callable[[int, int], bytes]
"""read(level, index): hash of the perfect subtree over leaves [index * 2^level, (index + 1) * 2^level)."""

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The perfect subtrees to the left of position `size`, largest first: all that appending needs to remember."""

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        if len(hashes) != size.bit_count():
            raise ValueError("a frontier has one hash per set bit of its size")
        self.size = size
        self.hashes = list(hashes)

    def append(self, hashed_leaf: bytes) -> None:
        """Add one leaf hash on the right."""
        node, size = hashed_leaf, self.size
        while size & 1:
            node = node_hash(self.hashes.pop(), node)
            size >>= 1
        self.hashes.append(node)
        self.size += 1

    def root(self) -> bytes:
        return _bagged(self.hashes)


class Tree:
    """A whole tree in memory, level by level, for tests, exports and small logs."""

    def __init__(self, leaf_hashes: Iterable[bytes] = ()) -> None:
        self._levels: list[list[bytes]] = [[]]
        for hashed in leaf_hashes:
            self.append(hashed)

    def append(self, hashed_leaf: bytes) -> None:
        self._levels[0].append(hashed_leaf)
        for level in range(len(self._levels)):
            row = self._levels[level]
            if len(row) % 2:
                return
            if level + 1 == len(self._levels):
                self._levels.append([])
            self._levels[level + 1].append(node_hash(row[-2], row[-1]))

    @property
    def size(self) -> int:
        return len(self._levels[0])

    def read(self, level: int, index: int) -> bytes:
        return self._levels[level][index]

    def root(self, size: int | None = None) -> bytes:
        return root(self.size if size is None else size, self.read)


def root(size: int, read: Read) -> bytes:
    """Return the root of the first `size` leaves."""
    return range_root(0, size, read)


def frontier_hashes(size: int, read: Read) -> list[bytes]:
    """Return the left edge of a tree: the perfect subtrees that make up its first `size` leaves, at most 63."""
    return [read(level, index) for level, index in _perfect(0, size)]


def range_root(begin: int, end: int, read: Read) -> bytes:
    """Return the RFC 6962 hash of leaves [begin, end), where begin is a multiple of the smallest power of two >= end - begin."""
    return _bagged([read(level, index) for level, index in _perfect(begin, end)])


def inclusion_proof(index: int, size: int, read: Read) -> list[bytes]:
    """Return the audit path of a leaf, from its sibling to the child of the root."""
    if not 0 <= index < size:
        raise ValueError("the leaf is not in the tree")
    return _path(index, 0, size, read)


def consistency_proof(old: int, new: int, read: Read) -> list[bytes]:
    """Return the proof that the tree of `old` leaves is a prefix of the tree of `new` leaves."""
    if not 0 < old <= new:
        raise ValueError("consistency needs 0 < old <= new")
    return _subproof(old, 0, new, True, read)


def verify_inclusion(hashed_leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected_root: bytes) -> bool:
    """Tell whether the proof leads from a leaf to the root. Source: RFC 9162, 2.1.3.2."""
    if not 0 <= index < size:
        return False
    node, last, result = index, size - 1, hashed_leaf
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            result = node_hash(sibling, result)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and result == expected_root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Tell whether the old tree is a prefix of the new one; never true from size 0. Source: RFC 9162, 2.1.4.2."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path:
        return False
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def _bagged(perfect: Sequence[bytes]) -> bytes:
    if not perfect:
        return EMPTY_ROOT
    result = perfect[-1]
    for left in reversed(perfect[:-1]):
        result = node_hash(left, result)
    return result


def _perfect(begin: int, end: int) -> list[tuple[int, int]]:
    found = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        found.append((level, begin >> level))
        begin += 1 << level
    return found


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << ((count - 1).bit_length() - 1)


def _path(index: int, begin: int, end: int, read: Read) -> list[bytes]:
    if end - begin == 1:
        return []
    middle = begin + _split(end - begin)
    if index < middle:
        return [*_path(index, begin, middle, read), range_root(middle, end, read)]
    return [*_path(index, middle, end, read), range_root(begin, middle, read)]


def _subproof(old: int, begin: int, end: int, is_whole: bool, read: Read) -> list[bytes]:
    if old == end:
        return [] if is_whole else [range_root(begin, end, read)]
    middle = begin + _split(end - begin)
    if old <= middle:
        return [*_subproof(old, begin, middle, is_whole, read), range_root(middle, end, read)]
    return [*_subproof(old, middle, end, False, read), range_root(begin, middle, read)]
