"""One changed byte anywhere in a pack is found, and the entry that holds it is named."""

import random

from mainstay_trust import pack

from .judging import judge
from .packs import entries, sample_log

MUTATIONS = 400


def places(data, packed):
    """Map each offset of the container to the entry whose header, bytes or directory record it belongs to."""
    owner, offset = {}, 0
    for name in sorted(packed):
        length = 30 + len(name) + len(packed[name])
        owner |= dict.fromkeys(range(offset, offset + length), name)
        offset += length
    for name in sorted(packed):
        owner |= dict.fromkeys(range(offset, offset + 46 + len(name)), name)
        offset += 46 + len(name)
    return owner | dict.fromkeys(range(offset, len(data)), "end of the pack")


def is_named(judged, name):
    """A body, a leaf or its hash is named by its number; anything else by the name of its entry."""
    named = [judged["first_bad"]["entry"], *(finding["entry"] for finding in judged["findings"])]
    return any(
        entry.startswith(name) or (name.split("/")[0] in ("leaves", "hashes", "bodies") and entry.startswith("leaf ")) for entry in named
    )


def test_four_hundred_flipped_bytes_are_all_found_and_named():
    packed = entries()
    data = pack.zip_bytes(packed)
    owner = places(data, packed)
    chosen = random.Random(20260115)
    missed, nameless = [], []

    for _ in range(MUTATIONS):
        position, bit = chosen.randrange(len(data)), 1 << chosen.randrange(8)
        judged = judge(data[:position] + bytes([data[position] ^ bit]) + data[position + 1 :])
        if judged["exit"] not in (1, 2):
            missed.append(position)
        elif not is_named(judged, owner[position]):
            nameless.append((position, owner[position], judged["first_bad"]))

    assert (missed, nameless) == ([], [])


def test_every_flipped_byte_of_every_leaf_names_that_leaf():
    packed, log = entries(), sample_log()
    data = pack.zip_bytes(packed)
    offset = data.index(packed["leaves/000000000000"])
    tried = 0

    for seq, leaf in enumerate(log.leaves):
        for position in range(offset, offset + len(leaf) + 2, 7):
            judged = judge(data[:position] + bytes([data[position] ^ 4]) + data[position + 1 :])
            # A wrong length prefix can make the rest of the bundle unreadable; then the leaf that is cut off is named.
            if position >= offset + 2:
                assert (judged["exit"], judged["first_bad"]["index"]) == (1, seq)
            assert judged["exit"] in (1, 2)
            tried += 1
        offset += len(leaf) + 2

    assert tried > 400


def test_every_truncation_is_found():
    data = pack.zip_bytes(entries())

    verdicts = {judge(data[:length])["exit"] for length in range(0, len(data), 97)}

    assert verdicts <= {1, 2}
